"""Arithmetic: thoughts that go digit by digit, and small sums without a thought."""

from . import words as w

_PLACES = ["ones", "tens", "hundreds", "thousands"]


def add_thought(a, b):
    """Ones first; each line needs one small sum, and whether the line before has two digits. The digits are then read off."""
    lines, carry = [f"{a} + {b}"], 0
    for i in range(max(len(str(a)), len(str(b)))):
        p, q = a // 10 ** i % 10, b // 10 ** i % 10
        lines.append(f"{_PLACES[i]}: {p} + {q}" + (" + 1" if carry else "") + f" = {p + q + carry}")
        carry = (p + q + carry) // 10
    return "\n".join(lines)


def sub_thought(a, b):
    lines, borrow = [f"{a} - {b}"], 0
    for i in range(len(str(a))):
        p, q = a // 10 ** i % 10, b // 10 ** i % 10
        line = f"{_PLACES[i]}: "
        taken, borrow = borrow, 1 if p - q - borrow < 0 else 0
        lines.append(line + f"{p + 10 * borrow} - {q}" + (" - 1" if taken else "") + f" = {p + 10 * borrow - q - taken}")
    return "\n".join(lines)


def mul_thought(a, b):
    """b has one digit, a one or two: by tens and ones."""
    if a < 10:
        return f"{a} * {b} = {a * b}"
    tens, ones = a // 10 * 10, a % 10
    return f"{a} * {b}\n{tens} * {b} = {tens * b}\n{ones} * {b} = {ones * b}\n" + add_thought(tens * b, ones * b)


def make(rng):
    op = rng.choices("+-*", (64, 22, 14))[0]
    if op == "*":
        a, b = rng.randint(2, 9 if rng.random() < 0.6 else 99), rng.randint(2, 9)
        return a, b, op, a * b, mul_thought(a, b)
    kind = rng.random()
    if kind < 0.25:
        a, b = rng.randint(0, 9), rng.randint(0, 9)
    elif kind < 0.9:
        a, b = rng.randint(10, 99), rng.randint(1 if kind < 0.35 else 10, 99)
    else:
        a, b = rng.randint(10, 999), rng.randint(10, 999)
    if op == "-":
        a, b = max(a, b), min(a, b)
        return a, b, op, a - b, sub_thought(a, b)
    return a, b, op, a + b, add_thought(a, b)


def ask(rng, a, b, op):
    name = {"+": "plus", "-": "minus", "*": "times"}[op]
    forms = [f"What is {a} {op} {b}?", f"What is {a} {name} {b}?", f"{a} {op} {b}", f"{a} {op} {b} = ?", f"How much is {a} {op} {b}?", f"Calculate {a} {op} {b}.", f"What's {a} {name} {b}?",
             f"Can you calculate {a} {op} {b}?", f"{a}{op}{b}"]
    if op == "+":
        n, t = w.first(rng), rng.choice(w.FOODS)
        forms += [f"Add {a} and {b}.", f"What is the sum of {a} and {b}?", f"{n} has {a} {t}s and gets {b} more. How many are there now?"]
    if op == "-":
        n, t = w.first(rng), rng.choice(w.THINGS)
        forms += [f"Subtract {b} from {a}.", f"{n} has {a} {t}s and gives {b} away. How many are left?"]
    if op == "*":
        forms += [f"Multiply {a} by {b}."]
    return rng.choice(forms)


def dialogue(rng):
    a, b, op, r, thought = make(rng)
    messages = [{"role": "user", "content": ask(rng, a, b, op)}, {"role": "assistant", "content": f"{a} {op} {b} = {r}", "reasoning_content": thought}]
    if rng.random() < 0.2:
        k = rng.randint(2, 9)
        op2 = rng.choice("+*")
        r2 = r + k if op2 == "+" else r * k
        if r2 < 1000 and (op2 == "+" or r < 100):
            q2 = rng.choice(("Add {} to it.", "Now add {}.", "Plus {}?")) if op2 == "+" else rng.choice(("Multiply it by {}.", "Now multiply it by {}.", "Times {}?"))
            messages += [{"role": "user", "content": q2.format(k)},
                         {"role": "assistant", "content": f"{r} {op2} {k} = {r2}", "reasoning_content": add_thought(r, k) if op2 == "+" else mul_thought(r, k)}]
    elif rng.random() < 0.08:
        messages = [{"role": "user", "content": rng.choice(("Give me a number.", "Provide a prime number less than 50", "Name a prime number below 50."))}]
        p = rng.choice((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47))
        k = rng.randint(2, 9)
        messages += [{"role": "assistant", "content": str(p), "weight": 0.3}, {"role": "user", "content": rng.choice(("Multiply it by {}.", "Multiply it by {}", "Now multiply it by {}.")).format(k)},
                     {"role": "assistant", "content": f"{p} * {k} = {p * k}", "reasoning_content": mul_thought(p, k)}]
    return messages, None
