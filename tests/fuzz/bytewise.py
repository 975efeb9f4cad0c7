"""Damage to plain bytes, to texts and to JSON; each takes a seeded `random.Random`."""

import copy
import json
import struct

#: Where implementations turn over: the ends of their types, signs, and numbers that are too large by a little.
WHOLE = (
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    -128,
    65535,
    1 << 20,
    1 << 28,
    1 << 30,
    (1 << 31) - 1,
    -(1 << 31),
)
REAL = (0.0, -1.0, 1e-45, 1e-9, 3.4e38, -3.4e38, float("nan"), float("inf"), float("-inf"), 0.5)
TEXTS = (
    "",
    "a",
    "\0",
    "../../etc/passwd",
    "/dev/zero",
    "\x1b[2J\x1b]0;x\x07",
    "ü" * 9,
    "x" * 5000,
    "%s%n{0}",
    "-1",
    "NaN",
)
JSONS = (
    None,
    True,
    0,
    -1,
    1 << 70,
    1e308,
    "",
    "x",
    [],
    {},
    [[]],
    {"class_name": "Dense"},
    float("nan"),
    [1, "a", None],
)


def damaged(random, content):
    """One to four bytes, blocks or numbers changed, or a part missing."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice((_flip, _number, _cut, _drop, _repeat, _move, _noise))(random, content)
    return bytes(content)


def damaged_text(random, text):
    """A line, a separator or a number of a text changed, or its bytes damaged."""
    if random.random() < 0.3:
        return damaged(random, text.encode())
    lines = text.splitlines()
    place = random.randrange(len(lines) + 1)
    odd = random.choice((*TEXTS, str(random.choice(WHOLE)), "9" * 5000, ",", "a,b,c", '"', ";", "\t", "file,label"))
    if random.random() < 0.5 or place == len(lines):
        lines.insert(place, odd)
    else:
        lines[place] = random.choice((odd, lines[place] + odd, lines[place].replace(",", odd), odd + lines[place]))
    ending = random.choice(("\n", "\n", "\r\n", "\r", "\x85"))
    return random.choice(("", "", "\ufeff")).encode() + ending.join(lines).encode("utf-8", "surrogatepass")


def damaged_json(random, value):
    """A JSON document with one to three of its values replaced, removed, renamed, repeated or nested, as text."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _damage_node(random, value)
    text = json.dumps(value)
    return damaged(random, text.encode()).decode("latin-1") if random.random() < 0.1 else text


def _damage_node(random, root):
    places = list(_places(root))
    if not places:
        return random.choice(JSONS)
    holder, key = random.choice(places)
    kind = random.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[random.choice((*TEXTS, "__proto__", "config"))] = holder.pop(key)
    elif kind == 2:
        holder[key] = _nested(holder[key], random.choice((1, 3, 120)))
    elif kind == 3:
        other, name = random.choice(places)
        holder[key] = (
            copy.deepcopy(other[name]) if name in other or (isinstance(other, list) and name < len(other)) else 0
        )
    else:
        holder[key] = random.choice((*JSONS, *TEXTS, *WHOLE, *REAL))
    return root


def _places(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def _nested(value, depth):
    for _ in range(depth):
        value = [value] if depth % 2 else {"config": value}
    return value


def _flip(random, content):
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _number(random, content):
    code, value = random.choice(
        (("<i", random.choice(WHOLE)), ("<f", random.choice(REAL)), ("<h", -1), ("<q", 1 << 40))
    )
    place = random.randrange(max(1, len(content) - 8))
    content[place : place + struct.calcsize(code)] = struct.pack(code, value)


def _cut(random, content):
    del content[random.randrange(len(content) + 1) :]


def _drop(random, content):
    place = random.randrange(len(content) + 1)
    del content[place : place + random.choice((1, 2, 4, 64))]


def _repeat(random, content):
    place = random.randrange(len(content) + 1)
    content[place:place] = content[place : place + random.choice((1, 4, 64, 1024))]


def _move(random, content):
    place, other = random.randrange(len(content) + 1), random.randrange(len(content) + 1)
    block = content[place : place + 16]
    content[other : other + len(block)] = block


def _noise(random, content):
    place = random.randrange(len(content) + 1)
    block = bytes(random.randrange(256) for _ in range(8))
    content[place : place + 8] = block
