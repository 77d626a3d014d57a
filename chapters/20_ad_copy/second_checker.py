"""Second judge of generated restaurant descriptions: which slots of an E2E meaning representation does a
text get wrong?  Written independently of the checker that chooses among candidates.  Names and neighbours are
taken out of the text, then the ROWS are tried in order: a match is a statement about a slot (it may mean
any of the row's values) and is taken out as well.  A vague statement ("?") can confirm the MR, but neither
contradicts it nor adds a slot.  Prices and ratings are judged by LEVEL: "cheap" = "less than £20".
"""

import re
import unicodedata

NAMES = """travellers rest beefeater|taste of cambridge|the cambridge blue|the dumpling tree|the golden palace
the twenty two|the rice boat|the wrestlers|the waterman|the phoenix|blue spice|the plough|the punter|alimentum
the vaults|green man|loch fyne|the eagle|the mill|wildwood|giraffe|clowns|strada|aromi|cocum|cotto|zizzi
browns cambridge|the golden curry|midsummer house|the olive grove|bibimbap house|the cricketers|fitzbillies"""
NEIGHBOURS = """all bar one|avalon|burger king|cafe adriatic|cafe brazil|cafe rouge|cafe sicilia|clare hall
crowne plaza hotel|express by holiday inn|rainbow vegetarian cafe|raja indian cuisine|ranch|the bakers
the portland arms|the six bells|the sorrento|yippee noodle bar"""
KNOWN = {place: "name" for place in re.split(r"[|\n]", NAMES)}
KNOWN |= {place: "near" for place in re.split(r"[|\n]", NEIGHBOURS)}
LEVEL = {
    "cheap": "low",
    "less than £20": "low",
    "moderate": "average",
    "£20-25": "average",
    "more than £30": "high",
    "1 out of 5": "low",
    "3 out of 5": "average",
    "5 out of 5": "high",
}
DIGITS = dict(one="1", two="2", three="3", four="4", five="5", twenty="20", thirty="30")
FAMILY, RATING, COST = "familyFriendly", "customer rating", "priceRange"

# Building blocks of the patterns
NEAR = (
    r"\b(?:not )?(?:too )?(?:near(?:by)?|next(?: door)? to|close to|beside|opposite|across from|far from"
    r"|adjacent to|vicinity of|proximity to|road from|(?:located|situated|is) by)(?: (?:to|of|the|a))*"
)
PLACE = (
    r"(?!(?:\w+ river\w*|the|to|an?|and|or|with|its?|is|in|at|on|by|but|you|here|there|this|that|which"
    r"|river\w*|we|they|if|water\w*|bank|city|town|cent\w+|down\w*|called|named|serv\w+|famil\w+|area"
    r"|coffee|near|pub|restaurant|cambridge|of|for|located|_\w+)\b)\w+"
)
NAMED = rf"\b(?:called|named)(?: the)? {PLACE}|^(?:the )?{PLACE}(?: \w+){{0,2}} (?:is|serves|offers|has)\b"
PRICE = r"(?:price|pric|cost|expens)\w*(?:[ -]range[sd]?)?"
RATE = r"(?:rat(?:ed?|ings?|es)|review\w*|rank\w*|scor\w+|feedback|satisfaction)\b"
WHOSE = r"(?:[ -]+(?:(?:customer|costumer|consumer|user|client)(?:'?s|s')?|overall|star|service|quality))*"
WHERE = r"(?: (?:by|at|of|for|from) (?:(?:its|the|this|previous) )?(?:customers?|patrons|_name_|place|food))?"
VERB = (
    r"[ :]+(?:that |which )?(?:is|are|was|were|of|at|as)(?: (?:very|quite|an?|only|just|also|somewhat"
    r"|fairly|pretty|rather|relatively))*"
)
LINK = r"(?:[ :,-]+(?:is|are|was|as|of|at|an?|being|very|only|just|has|been|quite|by|in|the|from|with))*"
KID = r"(?:famil(?:y|ies)|child(?:ren)?s?|kids?)"
NOT = r"(?:\b(?:not?|non|never|cannot|neither|nor|without|un|isnt|arent|doesnt|dont)|n't)[ -]+"
ANY = (
    r"(?:(?:an?|very|really|particularly|especially|the|for|to|of|suit\w+|recommend\w+|appropriate|good"
    r"|great|best|ideal|conducive|allow\w*|welcom\w*|cater\w*|accept\w*|permit\w*|open|friendly|with|place"
    r"|so|be|being|considered|all|any|bring\w*|take|your|have|towards?|oriented|exactly)[ -])*"
)
HIGH = r"high(?:er|ly|est)?|excellent|great|top|best|perfect|fantastic|outstanding"
LOW = r"low(?:er|ly|est)?(?: than average)?|below[ -]average"
MIDDLE = r"averagely|averaged?|moderate(?:ly)?|medium|mid(?:dle)?"
DEGREES = {  # words which need a noun of price or rating beside them
    RATING: {
        "low": rf"{LOW}|poor(?:ly)?|bad(?:ly)?|terribl[ey]",
        "high": HIGH,
        "average": rf"{MIDDLE}|mediocre|decent(?:ly)?|fair(?:ly)?|ok(?:ay)?",
        "average|high": r"good|well|positive(?:ly)?|above[ -]average",
    },
    COST: {
        "low": LOW,
        "average": MIDDLE,
        "high": r"high(?:er|ly|est)?(?: than average)?",
        "low|average": r"reasonabl[ey]|decent(?:ly)?|fair(?:ly)?|ok(?:ay)?|good|well|great|best",
    },
}
STARS = {"low": "1", "average": "3", "high": "5", "other": "[024]"}


def degrees(slot: str, pattern: str) -> list[tuple[str, str, str]]:
    """One row for each level of a slot: its words take the place of WORD."""
    return [(slot, level, pattern.replace("WORD", rf"(?:{word})\b")) for level, word in DEGREES[slot].items()]


ROWS = [  # slot, values it may mean (vague with "?"), regular expression
    (FAMILY, "no", rf"{NOT}{ANY}{KID}(?:[ -]+(?:friendly|oriented|allowed|welcome))?"),
    (
        FAMILY,
        "no",
        rf"\b{KID}(?:[ -]friendly)?[ ,:?-]*(?:(?:is|are) ?)?(?:prohibited|banned|no\b ?(?=[.,;]|$)"
        r"|(?:n't|not?|un) ?(?:allowed|welcome|permitted|friendly|recommended))",
    ),
    (FAMILY, "no", r"\badults?[ -]+(?:only|oriented|estab\w+)|\b(?:for|only|an) adults?\b(?! as well)"),
    (FAMILY, "yes", rf"\b{KID}[ -]*(?:are |is )?(?:very |also )?(?:friendly|welcom|orient|allow|suitable)"),
    (
        FAMILY,
        "yes",
        r"\b(?:welcom\w+|friendly|suitable|good|great|ideal|perfect|conducive|recommended|caters?"
        rf"|allows?|bring|take)(?: (?:to|for|with|the|all|whole|your))* {KID}\b",
    ),
    (FAMILY, "yes?", rf"\b{KID}\b(?! (?:coffee|restaurant|atmosphere))"),
    *(
        (RATING, level, rf"\b{n}(?:[ -]*(?:out|our|of|/))+[ -]*(?:a )?(?:possible )?5\b|\b{n}[ -]*stars?\b")
        for level, n in STARS.items()
    ),
    (COST, "average", r"£? ?\b20 ?(?:pounds )?(?:-|to|and)+ ?£? ?2(?:5|0[ -]5)\b"),
    (COST, "low", r"\b(?:(?:less|lower|cheaper) th\w+|under|below|up to) ?£? ?20\b|\b20 or (?:less|under)"),
    (COST, "high", r"\b(?:(?:more|higher) th[ae]n|over|above) ?£? ?30\b|\b30 (?:or|and) (?:more|up|over)"),
    (COST, "other", r"\b(?:(?:less|more) th[ae]n|under|over|below|above) ?£ ?\d+|£ ?\d+"),
    (COST, "average|high", rf"{NOT}(?:(?:the|so|too|very|exactly) )?cheap\w*"),
    (COST, "low|average", rf"\baffordabl[ey]\b|{NOT}(?:(?:so|too|very|that) )?(?:expensive|pricey|costly)"),
    (COST, "low", r"\b(?:cheap\w*|inexpensive\w*|budget|economical)\b"),
    (COST, "high", r"\b(?:expensive|price?y|costly|upscale|overpriced)\b"),
    (RATING, "low|average", rf"{NOT}(?:\w+ ){{0,2}}(?:{HIGH}|good|well){WHOSE}[ -]+{RATE}"),
    *degrees(COST, rf"\b{PRICE}{WHERE}{VERB} WORD(?!{WHOSE}[ -]+{RATE})"),  # price is high
    *degrees(RATING, rf"\b{RATE}{WHERE}{VERB} WORD(?![ -]+{PRICE})"),  # rating is high
    *degrees(RATING, rf"\bWORD{WHOSE}[ -]+{RATE}"),  # high customer rating
    *degrees(COST, rf"\bWORD(?:[ -](?:end|in|on))?[ -]+{PRICE}"),  # high price range
    *degrees(COST, rf"\b{PRICE}{WHERE}{LINK}[ :,-]+WORD(?!{WHOSE}[ -]+{RATE})"),
    *degrees(RATING, rf"\b{RATE}{WHERE}{LINK}[ :,-]+WORD(?![ -]+{PRICE})"),
    *((RATING, level, rf"\b{RATE}{WHERE}{LINK}[ :,-]+{n}\b|\b{n} rat(ed|ing)") for level, n in STARS.items()),
    (RATING, "low?", r"\b(?:low|poor|bad)[ -]quality\b"),
    (RATING, "average?", r"\baverage\b"),
    (RATING, "high?", r"\bhigh(?:ly)?\b|\bexcellent\b|\bgreat\b"),
    ("area", "city centre?", r"\b(?:north|south|east|west|outside)\w* (?:of|from) (?:the )?city cent\w+"),
    (
        "area",
        "city centre",
        r"\b(?:city|town)[ -]*cent(?:er|re)\b|\bdowntown\b|\b(?:centre|center|heart) of"
        r" (?:the )?(?:city|town)\b",
    ),
    ("area", "city centre?", r"\b(?:city|town|center|centre)\b"),
    ("area", "riverside", r"\briver(?:[ -]*(?:side|front|bank)s?)?\b|\bwaterfront\b"),
    ("eatType", "coffee shop", r"\bcoffee[ -]*(?:shop|house)s?\b|\bcafes?\b"),
    ("eatType", "coffee shop?", r"\bcoffee\b"),
    ("eatType", "restaurant", r"\brestaurants?\b"),
    ("eatType", "pub", r"\bpubs?\b"),
    ("eatType", "pub?", r"\b(?:bar|tavern|inn)\b"),
    ("food", "english", r"\b(?:english|british)\b(?! pounds?)"),
    ("food", "fast food", r"\bfast[ -]*food\b"),
    *(
        ("food", food, rf"\b{food}\b")
        for food in "chinese japanese indian french italian thai mexican spanish"
        " turkish korean greek american vietnamese vegetarian vegan german asian seafood".split()
    ),
    ("food", "other", r"\b\w+(?:ese|ian|ish|ican)\b(?=[ -]+(?:style )?(?:food|cuisine|dish|meal|fare))"),
]


def plain(text: str) -> str:
    """Lower case, no accents, straight quotes and dashes, single blanks."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("–", "-"))
    return " ".join("".join(c for c in text if not unicodedata.combining(c)).split())


def statements(want: dict[str, set[str]], text: str) -> list[tuple[str, set[str], bool]]:
    """What the text says: (slot, values it may mean, vague?), each match taken out of the text."""
    said: list[tuple[str, set[str], bool]] = []
    own = {value: slot for slot in ("name", "near") for value in want.get(slot, ())}

    def take(pattern: str, slot: str, values: set[str], put: str, vague: bool = False) -> None:
        nonlocal text
        text, found = re.subn(pattern, put, text)
        said.extend([(slot, values, vague)] * found)

    for place, slot in sorted((KNOWN | own).items(), key=lambda item: -len(item[0])):
        if place in own:
            bare = re.escape(place.removeprefix("the "))
            take(rf"\b(?:the )?{bare}(?:'?s)?(?!\w)", slot, {place}, f"_{slot}_")
        elif place in text:
            take(rf"{NEAR} {place}(?:'?s)?(?!\w)", "near", {place}, "_near_")
            take(rf"\b{place}(?:'?s)?(?!\w)", slot, {place}, f"_{slot}_")
    take(rf"{NEAR} {PLACE}", "near", {"other"}, "_near_")
    if not any(slot == "name" for slot, _, _ in said):
        take(NAMED, "name", {"other"}, "_name_")
    for food in want.get("food", ()):
        take(rf"\b{re.escape(food)}\b", "food", {food}, "_food_")
    text = re.sub(rf"\b(?:{'|'.join(DIGITS)})\b", lambda word: DIGITS[word[0]], text)
    for slot, values, pattern in ROWS:
        take(pattern, slot, set(values.strip("?").split("|")), " ; ", values.endswith("?"))
    return said


def slot_errors(mr: dict[str, str], text: str) -> dict[str, str]:
    """The slots a text gets wrong: {slot: "missing" | "wrong" | "added"}."""
    text = plain(text)
    sep = {slot: "\n" if plain(value) in text else " and " for slot, value in mr.items()}  # whole or two
    want = {slot: {LEVEL.get(part, part) for part in plain(mr[slot]).split(sep[slot])} for slot in mr}
    said = statements(want, text)
    errors = {slot: "added" for slot, _, vague in said if slot not in want and not vague}
    for slot, values in want.items():
        mine = [(may, vague) for other, may, vague in said if other == slot]
        if any(not may & values for may, vague in mine if not vague):
            errors[slot] = "wrong"
        elif not values <= set().union(*(may for may, _ in mine)):
            errors[slot] = "missing"
    return errors
