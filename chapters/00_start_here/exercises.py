"""Exercise of 00_start_here."""

from aigc_course.plumbing.grading import compare, exercise, noise


@exercise(
    "00.1",
    hint="At t = 0 the result is z_a, at t = 1 it is z_b. Start from z_a and walk the fraction t of the way to z_b.",
    solution="""
def interpolate(z_a, z_b, t):
    return (1 - t) * z_a + t * z_b  # the same as z_a + t * (z_b - z_a)
""",
)
def interpolate(answer, truth):
    cases = [
        ("4 points of 3 numbers at t = 0.25", noise(4, 3), noise(4, 3, seed=1), 0.25),
        ("images of shape (1, 5, 5) at t = 0.9", noise(1, 5, 5), noise(1, 5, 5, seed=1), 0.9),
        ("a single number in float64 at t = 0.3", noise().double(), noise(seed=1).double(), 0.3),
        ("the way from [1, 2] to [3, 6] at t = 1", [1.0, 2.0], [3.0, 6.0], 1.0),
        ("the way from [1, 2] to [3, 6] at t = 0", [1.0, 2.0], [3.0, 6.0], 0.0),
    ]
    mistakes = {
        "t * z_a + (1 - t) * z_b": "the two ends are swapped: at t = 0 your function gives z_b.",
        "z_a + t * z_b": "z_a keeps its full weight while z_b is added. As t grows, what must its share do?",
        "(1 - t) * z_a + z_b": "z_b has its full weight at every t. At t = 0 nothing of it should be left.",
        "(z_a + z_b) / 2": "your function gives the midpoint whatever t is: use t.",
        "z_a + z_b": "your function adds both points in full whatever t is: use t.",
        "z_a": "your function gives z_a whatever t is: use t (does something round it to 0?).",
        "z_b": "your function gives z_b whatever t is: use t.",
        "t * (z_b - z_a)": "this is the step alone, t times the way from z_a to z_b. Where does it start?",
        "z_a + t * (z_a - z_b)": "the step leaves z_a in the wrong direction: look at the sign of the difference.",
        "z_b + t * (z_b - z_a)": "the step starts at the wrong end: at t = 0 your function gives z_b.",
        "(1 - t) * z_a": "the part of z_a is right; the part of z_b is missing.",
        "t * z_b": "the part of z_b is right; the part of z_a is missing.",
        "t * (z_a + z_b)": "t multiplies both points; the two weights must add up to 1.",
        "(1 - t) * z_a - t * z_b": "the two parts are subtracted; they must be added.",
    }
    compare(answer, truth, cases, mistakes)
    return "Every point of the straight line from z_a to z_b comes out, for any shape."
