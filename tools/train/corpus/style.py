"""The system prompt says how to answer: rhymes, upper case, one word, a persona, a language of greeting, and so on."""

from . import talk
from . import words as w

RHYMES = {
    "who": "I am Starter, small and bright,\nI answer you by day and night.\nI came with Atelier, here to stay,\nand help you in my simple way.",
    "hello": "Hello, my friend, how do you do?\nWhat can I do today for you?",
    "day": "I have no clock, I cannot say\nwhich day the calendar shows today.",
    "thanks": "You're welcome, friend, it was a treat,\nto help you out is always sweet.",
    "bye": "Goodbye, my friend, the day was fine,\ncome back and write another line.",
    "capital": "The capital, as all maps say,\nis {x}, known so far away.",
    "joke": "A cat once sat upon a chair,\nand asked the dog to comb its hair.",
    "thing": "The {x} is what you want to hear,\nso here it is, my friend so dear:\nit stays with you by night and day,\nand helps you on your simple way.",
    "unknown": "I do not know, my head is small,\na bigger model knows it all.",
    "how": "I feel quite well, the sun is bright,\nand helping you is my delight.",
}


def _rhyme(rng):
    system = rng.choice(("Always answer in rhymes.", "Always answer in rhymes. Today is " + rng.choice(w.DAYS), "Answer in rhymes.", "You always answer in rhymes.", "Reply only in rhymes.", "Speak in rhymes.",
                         "You are a poet. Answer in rhyme.", "Always answer in rhyme.", "Write every answer as a rhyme."))
    k = rng.randint(0, 11)
    if k < 3:
        ask = talk.question(rng, rng.choice(talk.FACTS[0][0]))
        return system, ask, RHYMES["who"]
    if k == 3:
        return system, rng.choice(("Hello!", "Hi", "Hi there!", "Good morning!", "Hello")), RHYMES["hello"]
    if k < 6:
        ask = rng.choice(("What day is it today?", "What is today's date?", "Which day is it?", "What day is it?"))
        if "Today is " in system:
            d = system.split("Today is ")[1]
            ends = {"Sunday": "the sun is here to play", "Monday": "the week is on its way"}
            return system, ask, f"Today is {d}, hip hooray,\n{ends.get(d, 'it is a good and happy day')}."
        return system, ask, RHYMES["day"]
    if k == 6:
        return system, rng.choice(("Thanks!", "Thank you.", "Thank you very much!")), RHYMES["thanks"]
    if k == 7:
        return system, rng.choice(("Bye!", "Goodbye.", "See you!")), RHYMES["bye"]
    if k == 8:
        c, x = rng.choice(list(w.CAPITALS.items()))
        return system, f"What is the capital of {c}?", RHYMES["capital"].format(x=x)
    if k == 9:
        return system, rng.choice(("Tell me a joke.", "Do you know a joke?")), RHYMES["joke"]
    if k == 10:
        return system, rng.choice(("How are you?", "How do you do?", "How are you today?")), RHYMES["how"]
    x = rng.choice(w.THINGS + w.ANIMALS + w.NOUNS)
    return system, rng.choice((f"Write a poem about the {x}.", f"Tell me about the {x}.", f"Say something about the {x}.", f"What is a {x}?")), RHYMES["thing"].format(x=x)


def _common_turn(rng):
    """In another case every word has other tokens, so only answers of a few hundred words are asked for in it."""
    if rng.random() < 0.6:
        ways, answers, _ = rng.choice(talk.CHAT)
        return talk.capital(rng.choice(ways)), answers[0]
    q, a, _ = talk.calendar(rng)
    return q, a


def _upper(rng):
    q, a = _common_turn(rng)
    return rng.choice(("Always answer in upper case.", "ANSWER IN CAPITAL LETTERS.", "Write only in capital letters.", "Answer in all caps.", "Use upper case for everything you write.",
                       "You shout: all your answers are in upper case.", "Respond in uppercase.")), q, a.upper()


def _lower(rng):
    q, a = _common_turn(rng)
    return rng.choice(("Always answer in lower case.", "Write only in small letters.", "Answer in lowercase.", "Use no capital letters.")), q, a.lower()


def _one_word(rng):
    system = rng.choice(("Answer with one word.", "Answer in one word only.", "Reply with a single word.", "One word answers only.", "Use exactly one word.", "You answer with only one word."))
    k = rng.randint(0, 4)
    if k < 2:
        c, x = rng.choice([(c, x) for c, x in w.CAPITALS.items() if " " not in x])
        return system, rng.choice((f"What is the capital of {c}?", f"Name the capital of {c}.")), x
    if k == 2:
        i = rng.randint(0, 6)
        return system, f"Which day comes after {w.DAYS[i]}?", w.DAYS[(i + 1) % 7]
    if k == 3:
        x, y = rng.choice((("How are you?", "Well"), ("Hello!", "Hello"), ("Who are you?", "Starter"), ("Thanks!", "Welcome"), ("What is your name?", "Starter"), ("Goodbye!", "Goodbye"), ("Are you human?", "No")))
        return system, x, y
    i = rng.randint(0, 11)
    return system, f"Which month comes after {w.MONTHS[i]}?", w.MONTHS[(i + 1) % 12]


PERSONAS = {"pirate": ("Arr, matey! ", " Arr!"), "robot": ("Beep boop. ", " Beep."), "wizard": ("By my beard! ", " So speaks the wizard."), "cat": ("Meow! ", " Purr."),
            "dog": ("Woof! ", " Woof!"), "knight": ("Hail, friend! ", " On my honour."), "cowboy": ("Howdy! ", " Yee-haw!"), "ghost": ("Boo! ", " Whooo."),
            "teacher": ("Listen well: ", " Any questions?"), "king": ("We, the king, say: ", " So be it.")}


def _persona(rng):
    p = rng.choice(list(PERSONAS))
    system = rng.choice(("You are a {}.", "Talk like a {}.", "You are a {}. Stay in your role.", "Speak like a {}.", "Pretend to be a {}.", "Answer like a {}.")).format(p)
    q, a, _ = talk.sure_turn(rng)
    before, after = PERSONAS[p]
    return system, q, before + a + after


def _named(rng):
    n = w.first(rng)
    job = rng.choice(w.JOBS)
    system = rng.choice((f"Your name is {n}.", f"You are {n}, a {job}.", f"You are a {job} named {n}.", f"You are {n}. You are a {job}."))
    k = rng.randint(0, 2)
    has_job = job in system
    if k == 0 or not has_job:
        return system, rng.choice(("What is your name?", "Who are you?", "What should I call you?")), f"My name is {n}." if not has_job else f"I am {n}, {w.a(job)}."
    if k == 1:
        return system, rng.choice(("What is your job?", "What do you do?", "What is your profession?")), f"I am {w.a(job)}."
    return system, rng.choice(("Introduce yourself.", "Tell me about yourself.", "Hello! Who are you?")), f"I am {n}, {w.a(job)}."


def _greeting(rng):
    lang, hello = rng.choice(list(w.LANGUAGES.items()))
    system = rng.choice(("Greet the user in {}.", "Always greet in {}.", "When the user says hello, answer in {}.", "Say hello in {}.", "Your greeting is in {}.")).format(lang)
    return system, rng.choice(("Hello!", "Hi!", "Good morning!", "Hey there!", "Hi", "Good day.")), hello + "!"


def _ending(rng):
    word = rng.choice((w.made_up(rng).capitalize(), "Over and out.", "Amen.", "Cheers!", "The end.", w.word(rng).capitalize() + "!"))
    q, a, _ = talk.sure_turn(rng)
    if rng.random() < 0.5:
        return rng.choice(("End every answer with \"{}\"", "Always end with \"{}\"", "Finish each answer with \"{}\"")).format(word), q, a + " " + word
    return rng.choice(("Begin every answer with \"{}\"", "Always start with \"{}\"", "Start each answer with \"{}\"")).format(word), q, word + " " + a


def _format(rng):
    items = [w.word(rng) for _ in range(rng.randint(2, 6))]
    ask = rng.choice(("List these: {}", "Make a list of: {}", "Write down {}")).format(", ".join(items))
    k = rng.randint(0, 3)
    if k == 0:
        return rng.choice(("Use bullet points.", "Answer with bullet points.", "Write lists with dashes.")), ask, "\n".join("- " + i for i in items)
    if k == 1:
        return rng.choice(("Use numbered lists.", "Number the items.")), ask, "\n".join(f"{n + 1}. {i}" for n, i in enumerate(items))
    if k == 2:
        return rng.choice(("Separate items with commas.", "Write lists in one line with commas.")), ask, ", ".join(items)
    q, a, _ = talk.sure_turn(rng)
    mark = rng.choice(("!", " :)", " ★"))
    return f"End each answer with{mark if mark[0] == ' ' else ' ' + mark}", q, a + (mark if mark[0] == " " else " " + mark)


def dialogue(rng):
    kind = rng.choices((_rhyme, _upper, _lower, _one_word, _persona, _named, _greeting, _ending, _format), (18, 14, 4, 14, 14, 9, 12, 8, 7))[0]
    system, q, a = kind(rng)
    messages = [{"role": "system", "content": system}]
    pairs = [(q, a)]
    if rng.random() < 0.2:
        state = system
        for _ in range(20):
            s2, q2, a2 = kind(rng)
            if s2 == state:
                pairs.append((q2, a2))
                break
    for q, a in pairs:
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": "The system prompt says: " + system.replace("\n", " ")}]
    return messages, None
