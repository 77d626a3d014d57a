"""Exercise of 00_start_here."""

import math

from aigc_course.plumbing import rooms
from aigc_course.plumbing.grading import exercise, noise

tasks = rooms.shared("tasks")


@exercise(
    "00.1",
    hint="At t = 0 the result is z_a, at t = 1 it is z_b. Start from z_a and walk the fraction t of the way to z_b.",
    solution="""
def interpolate(z_a, z_b, t):
    return (1 - t) * z_a + t * z_b  # the same as z_a + t * (z_b - z_a)
""",
    praise="Every point of the straight line from z_a to z_b comes out, for any shape.",
)
def interpolate(truth):
    def on_a_sphere(late, **how):  # late: the lengths divide after the sum
        def interpolated(a, b, t):
            lengths = [(z * z).sum(**how).sqrt() for z in (a, b)]
            if late:
                cosine = (a * b).sum(**how) / (lengths[0] * lengths[1])
            else:
                cosine = (a / lengths[0] * (b / lengths[1])).sum(**how)
            angle = cosine.clamp(-1, 1).acos()
            return ((1 - t) * angle).sin() / angle.sin() * a + (t * angle).sin() / angle.sin() * b

        return interpolated

    return tasks.Function(
        cases=[
            (noise(4, 3), noise(4, 3, seed=1), 0.25),
            (noise(1, 5, 5), noise(1, 5, 5, seed=1), 0.9),
            (noise(), noise(seed=1), 0.3),
            ([1.0, 2.0], [3.0, 6.0], 1.0),
            ([1.0, 2.0], [3.0, 6.0], 0.0),
        ],
        mistakes={
            "the two ends are swapped: at t = 0 your function gives z_b.": lambda a, b, t: t * a + (1 - t) * b,
            "one of the two keeps its full weight: at t = 0 nothing of z_b is left, at t = 1 nothing of z_a.": (
                lambda a, b, t: a + t * b,
                lambda a, b, t: (1 - t) * a + b,
            ),
            "the result does not depend on t as it must: is t used, and not rounded?": (
                lambda a, b, t: (a + b) / 2,
                lambda a, b, t: a + b,
                lambda a, b, t: a,
                lambda a, b, t: b,
                lambda a, b, t: a + round(t) * (b - a),
                lambda a, b, t: a + int(t) * (b - a),
            ),
            "the way is straight, at an even pace: t enters as it is, not squared, not its root, not bent or scaled.": (
                *(on_a_sphere(late) for late in (True, False)),
                *(on_a_sphere(late, dim=-1, keepdim=True) for late in (True, False)),
                lambda a, b, t: a + t**2 * (b - a),
                lambda a, b, t: a + t**0.5 * (b - a),
                lambda a, b, t: a + (1 - (1 - t) ** 2) * (b - a),
                lambda a, b, t: a + (3 * t**2 - 2 * t**3) * (b - a),
                lambda a, b, t: a + (1 - math.cos(math.pi * t)) / 2 * (b - a),
                lambda a, b, t: a + math.sin(math.pi * t / 2) * (b - a),
                lambda a, b, t: a + t / 2 * (b - a),
                lambda a, b, t: a + 2 * t * (b - a),
            ),
            "this is the step alone, t times the way from z_a to z_b. Where does it start?": lambda a, b, t: (
                t * (b - a)
            ),
            "the step goes the wrong way or starts at the wrong end: it leads from z_a to z_b.": (
                lambda a, b, t: a + t * (a - b),
                lambda a, b, t: b + t * (b - a),
            ),
            "one of the two parts is missing.": (lambda a, b, t: (1 - t) * a, lambda a, b, t: t * b),
            "the two weights must add up to 1, and both parts are added. Is a bracket missing?": (
                lambda a, b, t: t * (a + b),
                lambda a, b, t: 1 - t * a + t * b,
                lambda a, b, t: (1 - t) * (a + t * b),
                lambda a, b, t: (1 - t) * a - t * b,
                lambda a, b, t: (1 - t) ** 0.5 * a + t**0.5 * b,
                lambda a, b, t: (1 - t) ** 2 * a + t**2 * b,
                lambda a, b, t: (1 - t**2) ** 0.5 * a + t * b,
                lambda a, b, t: (1 - t) * a + (1 - t**2) ** 0.5 * b,
                lambda a, b, t: math.cos(math.pi * t / 2) * a + math.sin(math.pi * t / 2) * b,
                lambda a, b, t: a ** (1 - t) * b**t,
                lambda a, b, t: (1 - t) * a * t * b,
            ),
        },
    )
