"""Records of made-up things, each with a text that says what it says: a part of what the small GPT-2 is pre-trained on.

    python benchmarks/catalogue.py   # prints ten of them

A record is a line of attributes, "name: Velmora; kind: bicycle; colour: dark green =>", and a text of one to three
sentences that names each of them. Things, values and names are drawn at random and most names are invented, so that
the only way to write the text is to copy from the line. Writing such pairs without anybody's data is pre-training for
data-to-text (Chen et al. 2020, KGPT, arXiv:2010.02307, does it with Wikipedia).

No restaurants, cafés, pubs or hotels are in it, no bank and no companies, and nothing that `data/storefront/` sells:
notebooks 13 and 20 to 22 are scored on those. Of E2E's attributes only `name` is among the records'. The words and
phrases below were written for this course.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from aigc_course import lora

# --- values --------------------------------------------------------------------------------------------------

COLOURS = ("red, blue, dark green, white, black, pale yellow, grey, orange, silver, brown, purple, light blue").split(
    ", "
)
LANGUAGES = (
    "English, French, Japanese, Italian, Spanish, Chinese, Indian, German, Welsh, Dutch, Greek, Turkish, Polish,"
    " Danish, Korean, Irish, Scottish, Russian, Swedish, Persian, Arabic, Latin"
).split(", ")
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
LEVELS = ("very low, low, average, moderate, fair, good, high, very high, excellent, poor, mixed, outstanding").split(
    ", "
)
SIDES = (
    "old town, north bank, harbour, market square, city wall, upper valley, south side, west end, village green,"
    " station quarter, outer suburbs, lower meadow, university district, mountain valley, fishing quarter"
).split(", ")
MATERIALS = "oak, steel, glass, brick, pine, bronze, granite, canvas, paper, copper, wool, marble, clay".split(", ")
ADJECTIVES = (
    "quiet, famous, small, busy, modern, ancient, gentle, strange, popular, simple, elegant, sturdy, bright, cheerful,"
    " modest, remote, lively, calm, handsome, curious, rare, unusual, friendly, serious, comfortable, narrow"
).split(", ")
NOUNS = (
    "anchor, apple, arrow, badger, barrel, beacon, bell, bridge, candle, castle, cloud, compass, crane, crown, daisy,"
    " dolphin, drum, falcon, feather, fiddle, forest, fountain, fox, garden, hammer, harp, heron, hill, island, ivy,"
    " kite, lantern, lark, leaf, lion, maple, meadow, mill, mirror, moon, needle, oak, orchard, otter, owl, pearl,"
    " pebble, pine, plough, quill, raven, river, robin, rose, sail, shell, ship, silver, sparrow, star, stone, storm,"
    " sun, swan, thistle, tower, violin, wagon, whale, wheel, willow, wing, wolf, wren"
).split(", ")
FIRST = (
    "Ada, Ben, Clara, David, Emma, Felix, Grace, Hugo, Ida, Jonas, Karen, Leo, Mia, Nora, Oscar, Paula, Ravi, Sara,"
    " Tom, Uma, Vera, Will, Yuki, Zoe"
).split(", ")
ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pl qu r s sh st t th tr v w z".split()
VOWELS = "a e i o u a e i o ai ea ia io oo ou".split()
ENDS = "n r l s m d t nd rt ll ck st th ng a o um us er on is et el".split()


def invented(draw: random.Random) -> str:
    """A word that is in no dictionary, such as Velmora."""
    n = draw.choice((1, 1, 2, 2, 3))
    word = "".join(draw.choice(ONSETS) + draw.choice(VOWELS) for _ in range(n)) + draw.choice(ENDS)
    return word.capitalize()


def title(draw: random.Random) -> str:
    """A proper name of one to three words."""
    noun, adjective = draw.choice(NOUNS).capitalize(), draw.choice(COLOURS + ADJECTIVES).title()
    forms = (
        lambda: invented(draw),
        lambda: invented(draw),
        lambda: f"{invented(draw)} {noun}",
        lambda: f"The {noun}",
        lambda: f"The {adjective} {noun}",
        lambda: f"{adjective} {noun}",
        lambda: f"{invented(draw)} {invented(draw)}",
        lambda: f"{noun} {draw.choice(NOUNS).capitalize()}",
        lambda: f"The {invented(draw)}",
    )
    return draw.choice(forms)()


def person(draw: random.Random) -> str:
    return f"{draw.choice(FIRST)} {invented(draw)}"


def place(draw: random.Random) -> str:
    end = draw.choice(("Hall", "Street", "Bridge", "Park", "Church", "Library", "School", "Tower", "Gate", "Station"))
    return draw.choice((lambda: title(draw), lambda: f"{invented(draw)} {end}"))()


def number(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda draw: str(draw.randint(low, high))


def price(draw: random.Random) -> str:
    low = draw.randint(1, 90)
    forms = (
        f"£{low}",
        f"£{low}-{low + draw.randint(2, 20)}",
        f"{low} dollars",
        f"less than {low} euros",
        f"more than £{low}",
        f"{low} euros",
        f"under ${low}",
    )
    return draw.choice(forms)


def score(draw: random.Random) -> str:
    most = draw.choice((4, 6, 8, 10))
    return f"{draw.randint(1, most)} out of {most}"


def one_of(values: list[str]) -> Callable[[random.Random], str]:
    return lambda draw: draw.choice(values)


# --- things --------------------------------------------------------------------------------------------------


class Attribute(NamedTuple):
    """How values are drawn, and ways to say them with {v}: before the noun, after it, and as what the thing does."""

    draw: Callable[[random.Random], str]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    does: tuple[str, ...] = ()


class YesNo(NamedTuple):
    """Ways to say yes and no."""

    before: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[str, ...]


MADE_BY = Attribute(person, (), ("by {v}", "made by {v}"), ("was made by {v}", "is the work of {v}", "comes from {v}"))
WHERE = Attribute(
    one_of(SIDES),
    (),
    ("in the {v}", "located in the {v}"),
    ("is in the {v}", "can be found in the {v}", "is located in the {v}"),
)
BESIDE = Attribute(
    place,
    (),
    ("beside {v}", "close to {v}", "next to {v}"),
    ("is close to {v}", "lies next to {v}", "stands beside {v}"),
)
COLOUR = Attribute(one_of(COLOURS), ("{v}",), ("in {v}",), ("is {v}", "is painted {v}", "comes in {v}"))
MOOD = Attribute(one_of(ADJECTIVES), ("{v}",), (), ("is {v}", "is said to be {v}"))
COST = Attribute(price, (), ("for {v}", "that costs {v}"), ("costs {v}", "is sold for {v}", "has a price of {v}"))
ENTRY = Attribute(price, (), ("with tickets for {v}",), ("costs {v} to visit", "has an entry price of {v}"))
MARKS = Attribute(
    score,
    (),
    ("with a score of {v}", "rated {v}"),
    ("has a score of {v}", "is rated {v}", "got {v} from its visitors", "scores {v}"),
)
OPINION = Attribute(
    one_of(LEVELS),
    (),
    ("with {v} reviews", "of {v} quality"),
    ("has {v} reviews", "gets {v} ratings", "has a {v} reputation"),
)
COUNTRY = Attribute(one_of(LANGUAGES), ("{v}",), ("of {v} origin",), ("is {v}", "has {v} roots"))
OF = Attribute(one_of(MATERIALS), ("{v}",), ("made of {v}",), ("is made of {v}", "is built of {v}"))
DOGS = YesNo(
    ("dog-friendly",),
    ("welcomes dogs", "is dog-friendly", "allows dogs"),
    ("does not allow dogs", "is not dog-friendly", "is no place for dogs"),
)
BEGINNERS = YesNo(
    ("beginner-friendly",),
    ("is suitable for beginners", "welcomes beginners"),
    ("is not for beginners", "is not suitable for beginners"),
)
WATER = YesNo(("waterproof",), ("is waterproof", "does not mind rain"), ("is not waterproof", "should not get wet"))
PICTURES = YesNo(("illustrated",), ("is illustrated", "has pictures"), ("has no pictures", "is not illustrated"))
OPEN = Attribute(one_of(DAYS), (), ("open on {v}",), ("opens on {v}", "is open every {v}"))
YEAR = Attribute(number(1400, 2020), (), ("from {v}",), ("dates from {v}", "was built in {v}", "goes back to {v}"))

Things = dict[str, Attribute | YesNo]
DOMAINS: list[tuple[list[str], Things]] = [
    (
        ["novel", "atlas", "diary", "textbook", "comic", "poetry book", "travel guide"],
        {
            "author": Attribute(person, (), ("by {v}", "written by {v}"), ("was written by {v}", "is by {v}")),
            "pages": Attribute(number(30, 900), (), ("of {v} pages",), ("has {v} pages", "runs to {v} pages")),
            "language": Attribute(one_of(LANGUAGES), ("{v}",), ("in {v}",), ("is written in {v}", "is in {v}")),
            "cover": Attribute(one_of(COLOURS), (), ("with a {v} cover",), ("has a {v} cover", "is bound in {v}")),
            "pictures": PICTURES,
            "style": MOOD,
            "reviews": OPINION,
            "price": COST,
        },
    ),
    (
        ["film", "play", "radio play", "series", "opera", "documentary"],
        {
            "director": Attribute(person, (), ("by {v}", "directed by {v}"), ("was directed by {v}", "is by {v}")),
            "length": Attribute(number(20, 240), (), ("of {v} minutes",), ("takes {v} minutes", "lasts {v} minutes")),
            "origin": COUNTRY,
            "score": MARKS,
            "shown in": Attribute(one_of(MONTHS), (), ("shown in {v}",), ("is shown in {v}", "can be seen in {v}")),
            "mood": MOOD,
            "tickets": ENTRY,
        },
    ),
    (
        ["museum", "gallery", "library", "theatre", "castle", "aquarium"],
        {
            "part of town": WHERE,
            "close to": BESIDE,
            "shows": Attribute(
                one_of("maps, clocks, old coins, modern art, model ships, dinosaurs, musical instruments".split(", ")),
                (),
                ("with {v}",),
                ("shows {v}", "is full of {v}", "has a collection of {v}"),
            ),
            "entry": ENTRY,
            "dogs": DOGS,
            "visitor score": MARKS,
            "open": OPEN,
            "opinion": OPINION,
        },
    ),
    (
        ["town", "village", "port", "island", "city", "suburb"],
        {
            "people": Attribute(
                number(100, 90000), (), ("of {v} people",), ("has {v} inhabitants", "is home to {v} people")
            ),
            "known for": Attribute(
                one_of("its bells, cheese, old bridges, windmills, a long beach, glass, its fairs, wool".split(", ")),
                (),
                ("known for {v}",),
                ("is known for {v}", "is famous for {v}"),
            ),
            "close to": BESIDE,
            "founded": YEAR,
            "character": MOOD,
            "language": Attribute(one_of(LANGUAGES), ("{v}",), (), ("speaks {v}", "has {v} street names")),
        },
    ),
    (
        ["bicycle", "boat", "motorcycle", "van", "tram", "canoe", "tractor"],
        {
            "colour": COLOUR,
            "builder": MADE_BY,
            "weight": Attribute(number(8, 900), (), ("of {v} kilograms",), ("weighs {v} kilograms",)),
            "seats": Attribute(number(1, 60), (), ("with {v} seats",), ("has {v} seats", "seats {v} people")),
            "speed": Attribute(one_of(LEVELS[:8]), (), ("with {v} speed",), ("reaches a {v} speed", "has {v} speed")),
            "waterproof": WATER,
            "price": COST,
            "beginners": BEGINNERS,
        },
    ),
    (
        ["garden", "park", "playground", "swimming pool", "tennis court", "climbing wall", "skating rink"],
        {
            "part of town": WHERE,
            "beside": BESIDE,
            "dogs": DOGS,
            "entry": ENTRY,
            "visitor score": MARKS,
            "reputation": OPINION,
            "beginners": BEGINNERS,
            "kind of place": MOOD,
        },
    ),
    (
        ["course", "evening class", "workshop", "lecture", "summer school", "training"],
        {
            "teacher": Attribute(person, (), ("with {v}", "taught by {v}"), ("is taught by {v}", "is led by {v}")),
            "subject": Attribute(
                one_of(
                    "pottery, chess, botany, algebra, singing, carpentry, astronomy, weaving, first aid".split(", ")
                ),
                ("{v}",),
                ("about {v}",),
                ("is about {v}", "teaches {v}"),
            ),
            "day": Attribute(one_of(DAYS), (), ("on {v}",), ("takes place on {v}", "meets every {v}")),
            "where": WHERE,
            "beginners": BEGINNERS,
            "fee": COST,
            "language": Attribute(one_of(LANGUAGES), (), ("in {v}",), ("is held in {v}", "is in {v}")),
        },
    ),
    (
        ["band", "choir", "orchestra", "dance group", "string quartet", "brass band"],
        {
            "music": Attribute(
                one_of(LANGUAGES), ("{v}",), ("with {v} music",), ("plays {v} music", "performs {v} songs")
            ),
            "leader": Attribute(person, (), ("led by {v}",), ("is led by {v}", "follows {v}")),
            "members": Attribute(number(3, 120), (), ("of {v} members",), ("has {v} members",)),
            "rehearses": Attribute(place, (), ("close to {v}",), ("rehearses close to {v}", "meets near {v}")),
            "sound": MOOD,
            "popularity": OPINION,
            "fee": COST,
        },
    ),
    (
        ["tree", "flower", "shrub", "vegetable", "herb", "fern"],
        {
            "height": Attribute(
                number(2, 400), (), ("of {v} centimetres",), ("grows to {v} centimetres", "is {v} centimetres high")
            ),
            "flowers": Attribute(one_of(COLOURS), (), ("with {v} flowers",), ("has {v} flowers", "flowers in {v}")),
            "season": Attribute(one_of(MONTHS), (), (), ("is planted in {v}", "is at its best in {v}")),
            "origin": COUNTRY,
            "demand for water": Attribute(
                one_of(LEVELS[:8]), (), ("with a {v} demand for water",), ("has a {v} demand for water",)
            ),
            "seeds": COST,
            "looks": MOOD,
        },
    ),
    (
        ["painting", "statue", "drawing", "mosaic", "carpet", "photograph", "vase"],
        {
            "artist": MADE_BY,
            "material": OF,
            "year": YEAR,
            "main colour": COLOUR,
            "hangs in": Attribute(place, (), ("in {v}",), ("is kept in {v}", "can be seen in {v}")),
            "value": COST,
            "school": COUNTRY,
        },
    ),
    (
        ["train", "ferry", "bus line", "night train", "cable car", "shuttle"],
        {
            "to": Attribute(place, (), ("to {v}",), ("goes to {v}", "runs to {v}")),
            "leaves": Attribute(one_of(DAYS), (), ("on {v}",), ("leaves on {v}", "runs every {v}")),
            "ticket": Attribute(price, (), ("for {v}",), ("costs {v}", "has tickets for {v}")),
            "dogs": DOGS,
            "colour": COLOUR,
            "punctuality": Attribute(
                one_of(LEVELS), (), ("of {v} punctuality",), ("has {v} punctuality", "is of {v} punctuality")
            ),
            "stops near": Attribute(place, (), (), ("stops near {v}", "passes {v}")),
        },
    ),
    (
        ["game", "puzzle", "card game", "board game", "riddle", "video game"],
        {
            "inventor": MADE_BY,
            "players": Attribute(number(1, 12), (), ("for {v} players",), ("is for {v} players", "needs {v} players")),
            "age": Attribute(number(3, 18), (), ("from the age of {v}",), ("is for people aged {v} and over",)),
            "type": MOOD,
            "language": Attribute(one_of(LANGUAGES), ("{v}",), ("in {v}",), ("is in {v}", "has {v} rules")),
            "score": MARKS,
            "price": COST,
            "beginners": BEGINNERS,
        },
    ),
    (
        ["house", "barn", "bridge", "lighthouse", "tower", "windmill", "chapel"],
        {
            "built of": OF,
            "built": YEAR,
            "stands in": WHERE,
            "neighbour": BESIDE,
            "architect": MADE_BY,
            "appearance": MOOD,
            "rooms": Attribute(number(1, 40), (), ("with {v} rooms",), ("has {v} rooms",)),
            "colour": COLOUR,
        },
    ),
    (
        ["dog", "horse", "parrot", "cat", "goat", "donkey"],
        {
            "owner": Attribute(person, (), ("of {v}",), ("belongs to {v}", "lives with {v}")),
            "age": Attribute(number(1, 20), (), ("of {v} years",), ("is {v} years old",)),
            "colour": Attribute(one_of(COLOURS), ("{v}",), (), ("is {v}",)),
            "character": MOOD,
            "likes": Attribute(
                one_of("apples, long walks, the rain, music, children, sleeping, carrots, the sea".split(", ")),
                (),
                ("that likes {v}",),
                ("likes {v}", "is fond of {v}"),
            ),
            "breed": COUNTRY,
            "lives near": BESIDE,
        },
    ),
]


# --- texts ---------------------------------------------------------------------------------------------------


def article(words: str) -> str:
    return ("an " if words[0].lower() in "aeiou" else "a ") + words


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def record(draw: random.Random) -> tuple[dict[str, str], str]:
    """The attributes of one made-up thing and a text that says each of them."""
    kinds, things = draw.choice(DOMAINS)
    kind, name = draw.choice(kinds), title(draw)
    keys = draw.sample(sorted(things), draw.randint(1, min(6, len(things))))
    before, after, does, values = [], [], [], {}
    for key in keys:
        thing = things[key]
        if isinstance(thing, YesNo):
            value = draw.choice(("yes", "no"))
            forms = {"before": thing.before if value == "yes" else (), "after": ()}
            forms["does"] = thing.yes if value == "yes" else thing.no
        else:
            value = thing.draw(draw)
            forms = {"before": thing.before, "after": thing.after, "does": thing.does}
        values[key] = value
        possible = [("does", does), ("does", does), ("before", before), ("after", after)]
        possible = [(form, into) for form, into in possible if forms[form] and (form == "does" or len(into) < 2)]
        form, into = draw.choice(possible)
        into.append(draw.choice(forms[form]).format(v=value))
    known = draw.random() < 0.9 or bool(before or after)
    attributes = {"name": name} | ({"kind": kind} if known else {}) | values
    if draw.random() < 0.3:
        order = list(attributes)
        draw.shuffle(order)
        attributes = {key: attributes[key] for key in order}
    noun = " ".join([*before, kind])
    whole, after_noun = " ".join([noun, *after]), (" " + " ".join(after) if after else "")
    draw.shuffle(does)
    n = draw.randint(1, 2) if does else 0
    first, rest = does[:n], does[n:]
    if not known:
        text = f"{name} {listed(first)}."
    elif not first or draw.random() < 0.4:
        rest = first + rest
        text = draw.choice(
            (
                f"{name} is {article(whole)}.",
                f"There is {article(whole)} called {name}.",
                f"{article(noun).capitalize()}{after_noun} is {name}.",
                f"{name} is the name of {article(whole)}.",
                f"Try {name}, {article(whole)}.",
            )
        )
    else:
        text = draw.choice(
            (
                f"{name} is {article(whole)} that {listed(first)}.",
                f"{name}, {article(whole)}, {listed(first)}.",
                f"The {whole} called {name} {listed(first)}.",
                f"The {noun} {name}{after_noun} {listed(first)}.",
                f"{name} {listed(first)}. It is {article(whole)}.",
                f"{article(whole).capitalize()}, {name} {listed(first)}.",
            )
        )
    while rest:
        n = draw.randint(1, 3)
        part, rest = rest[:n], rest[n:]
        thing = (f"The {kind}", f"This {kind}") if known else ("It", "It")
        subject = draw.choice(("It", "It", "It", name, *thing))
        text += f" {subject} {listed(part)}."
    return attributes, text


def documents(n_bytes: int, seed: int = 0) -> list[str]:
    """Records with their texts, each a document of one line, about n_bytes in all."""
    draw, found, size = random.Random(seed), [], 0
    while size < n_bytes:
        attributes, text = record(draw)
        found.append(f"{lora.prompt_of(attributes)} {text}")
        size += len(found[-1].encode())
    return found


if __name__ == "__main__":
    print("\n\n".join(documents(2_000, seed=1)))
