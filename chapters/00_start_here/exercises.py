"""Exercise of 00_start_here, and the slips that can happen in any exercise of the course."""

import math

from aigc_course.plumbing.grading import Function, exercise, noise, slips

slips |= {  # what came and what is due, or what a mistake gives: the pair is equal where the slip was made
    "the sign is turned: this is minus what is due.": lambda got, due: (got, -due),
    "this is in bits; nats take the natural logarithm.": lambda got, due: (got, due / math.log(2)),
    "this is the exponential of what is due.": lambda got, due: (got, due.exp()),
    "this is the logarithm of what is due.": lambda got, due: (got, due.log()),
    "this is the root of what is due.": lambda got, due: (got, due.sqrt()),
    "this is the square of what is due.": lambda got, due: (got, due.square()),
    "the sign is lost: these are absolute values.": lambda got, due: (got, due.abs()),
    "negative values are cut off at 0.": lambda got, due: (got, due.clamp(min=0)),
    "every value is twice what is due.": lambda got, due: (got, 2 * due),
    "every value is half of what is due.": lambda got, due: (got, due / 2),
    "every value is 1 more than what is due.": lambda got, due: (got, due + 1),
    "every value is 1 less than what is due.": lambda got, due: (got, due - 1),
    "the rows are added up as well; each has a value of its own.": lambda got, due: (got, due.sum(0)),
    "the rows are averaged as well; each has a value of its own.": lambda got, due: (got, due.mean(0)),
    "everything is added up to one number.": lambda got, due: (got, due.sum()),
    "everything is averaged to one number.": lambda got, due: (got, due.mean()),
    "a sum over the first axis is missing.": lambda got, due: (got.sum(0), due),
    "a mean over the first axis is missing.": lambda got, due: (got.mean(0), due),
    "a sum over the last axis is missing.": lambda got, due: (got.sum(-1), due),
    "a mean over the last axis is missing.": lambda got, due: (got.mean(-1), due),
    "a sum over all values is missing.": lambda got, due: (got.sum(), due),
    "a mean over all values is missing.": lambda got, due: (got.mean(), due),
    "the result is transposed: two axes are swapped.": lambda got, due: (got, due.mT),
    "the result is in reverse order.": lambda got, due: (got, due.flip(0)),
    "the result is scaled to length 1.": lambda got, due: (got, due / due.norm()),
    "it is 0 for every input.": lambda got, due: (got, 0 * due),
}


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
    return Function(
        cases=[
            (noise(4, 3), noise(4, 3, seed=1), 0.25),
            (noise(1, 5, 5), noise(1, 5, 5, seed=1), 0.9),
            (noise(), noise(seed=1), 0.3),
            ([1.0, 2.0], [3.0, 6.0], 1.0),
            ([1.0, 2.0], [3.0, 6.0], 0.0),
        ],
        mistakes={
            "the two ends are swapped: at t = 0 your function gives z_b.": lambda a, b, t: t * a + (1 - t) * b,
            "z_a keeps its full weight while z_b is added. As t grows, what must its share do?": lambda a, b, t: (
                a + t * b
            ),
            "z_b has its full weight at every t. At t = 0 nothing of it should be left.": lambda a, b, t: (
                (1 - t) * a + b
            ),
            "the result does not depend on t as it must: is t used, and not rounded?": (
                lambda a, b, t: (a + b) / 2,
                lambda a, b, t: a + b,
                lambda a, b, t: a,
                lambda a, b, t: b,
            ),
            "this is the step alone, t times the way from z_a to z_b. Where does it start?": lambda a, b, t: (
                t * (b - a)
            ),
            "the step goes the wrong way or starts at the wrong end: it leads from z_a to z_b.": (
                lambda a, b, t: a + t * (a - b),
                lambda a, b, t: b + t * (b - a),
            ),
            "one of the two parts is missing.": (lambda a, b, t: (1 - t) * a, lambda a, b, t: t * b),
            "the two weights must add up to 1, and both parts are added.": (
                lambda a, b, t: t * (a + b),
                lambda a, b, t: (1 - t) * a - t * b,
            ),
        },
    )
