"""Word lists from which the dialogues draw. Their only order is the alphabet of their author."""

FIRST = """Ada Alan Alice Amir Ana Anna Anton Arjun Aya Ben Bianca Bob Bruno Carla Carlos Chen Chloe Clara Daniel David
Dana Diego Dina Elena Elias Eli Ella Emil Emma Enzo Eric Erika Eva Fatima Felix Finn Flora Frank Gabriel George Gina
Grace Greta Hana Hannah Hans Harry Hassan Helen Henry Hugo Ian Ibrahim Ida Igor Ines Ingrid Irene Isaac Ivan Jack Jan
Jana Jane Jasmin Jim Joan John Jonas Jorge Judy Julia Jun Kai Karim Kate Ken Kim Lara Lars Laura Leah Lena Leo Lena
Lina Linda Liam Louis Lucas Lucy Luis Luna Maria Marco Marie Mark Marta Max Maya Mei Mia Mila Mira Nadia Naomi Nico
Nina Noah Nora Olga Oliver Olivia Omar Oscar Otto Pablo Paul Paula Pedro Peter Petra Pia Priya Rafael Ravi Rita Robert
Rosa Ruth Ryan Sam Sara Sofia Sonia Stefan Susan Tara Theo Thomas Tim Tina Tom Uma Vera Victor Viktor Walter Wei Wendy
Will Yara Yuki Yusuf Zoe Zara""".split()

LAST = """Adams Ahmed Alvarez Baker Bauer Becker Bell Berg Brown Carter Castro Chan Clark Cohen Cole Costa Cruz Davis
Diaz Dubois Evans Fischer Flores Ford Fox Garcia Gomez Gray Green Gupta Hall Hansen Hill Hoffman Hughes Ito Jackson
Jensen Johnson Jones Kaya Keller Kelly Khan King Klein Kumar Lee Lewis Li Lopez Mason Meyer Miller Mills Moore Morgan
Moreau Murphy Nakamura Nelson Nguyen Novak Olsen Ortiz Park Parker Patel Perez Petrov Price Quinn Ramos Reed Rivera
Rossi Russo Sato Schmidt Scott Silva Singh Smith Stone Suzuki Tanaka Taylor Torres Tran Turner Vogel Walker Wang Ward
Weber White Wilson Wolf Wood Wright Yamada Young Zhang""".split()

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon",
    "Austria": "Vienna", "Switzerland": "Bern", "Belgium": "Brussels", "the Netherlands": "Amsterdam",
    "Denmark": "Copenhagen", "Sweden": "Stockholm", "Norway": "Oslo", "Finland": "Helsinki", "Iceland": "Reykjavik",
    "Ireland": "Dublin", "the United Kingdom": "London", "Poland": "Warsaw", "Hungary": "Budapest",
    "the Czech Republic": "Prague", "Slovakia": "Bratislava", "Slovenia": "Ljubljana", "Croatia": "Zagreb",
    "Serbia": "Belgrade", "Romania": "Bucharest", "Bulgaria": "Sofia", "Greece": "Athens", "Turkey": "Ankara",
    "Ukraine": "Kyiv", "Russia": "Moscow", "Estonia": "Tallinn", "Latvia": "Riga", "Lithuania": "Vilnius",
    "Egypt": "Cairo", "Morocco": "Rabat", "Algeria": "Algiers", "Tunisia": "Tunis", "Kenya": "Nairobi",
    "Ethiopia": "Addis Ababa", "Ghana": "Accra", "Nigeria": "Abuja", "Senegal": "Dakar", "Uganda": "Kampala",
    "China": "Beijing", "Japan": "Tokyo", "South Korea": "Seoul", "India": "New Delhi", "Pakistan": "Islamabad",
    "Nepal": "Kathmandu", "Thailand": "Bangkok", "Vietnam": "Hanoi", "Indonesia": "Jakarta", "Malaysia": "Kuala Lumpur",
    "the Philippines": "Manila", "Mongolia": "Ulaanbaatar", "Iran": "Tehran", "Iraq": "Baghdad", "Jordan": "Amman",
    "Lebanon": "Beirut", "Saudi Arabia": "Riyadh", "Qatar": "Doha", "Canada": "Ottawa",
    "the United States": "Washington, D.C.", "Mexico": "Mexico City", "Cuba": "Havana", "Jamaica": "Kingston",
    "Brazil": "Brasília", "Argentina": "Buenos Aires", "Chile": "Santiago", "Peru": "Lima", "Colombia": "Bogotá",
    "Ecuador": "Quito", "Uruguay": "Montevideo", "Paraguay": "Asunción", "Venezuela": "Caracas",
    "Australia": "Canberra", "New Zealand": "Wellington", "Fiji": "Suva",
}

CITIES = sorted({c for c in CAPITALS.values() if "," not in c}) + """Munich Hamburg Cologne Milan Naples Venice Turin
Barcelona Seville Porto Lyon Nice Marseille Geneva Zurich Basel Antwerp Rotterdam Gothenburg Bergen Cork Edinburgh Glasgow
Manchester Bristol Leeds Krakow Graz Salzburg Boston Chicago Denver Seattle Austin Dallas Miami Atlanta Houston Portland
Toronto Montreal Vancouver Sydney Melbourne Perth Brisbane Auckland Osaka Kyoto Shanghai Mumbai Chennai Lagos Dubai
Istanbul""".split() + ["New York", "Los Angeles", "San Francisco", "San Diego", "Hong Kong", "Cape Town", "São Paulo",
                       "Rio de Janeiro", "Las Vegas", "Tel Aviv"]

COLORS = """red blue green yellow orange purple pink black white grey brown turquoise gold silver violet beige
crimson teal navy olive maroon indigo lavender coral""".split()

ANIMALS = """cat dog horse cow pig goat sheep rabbit mouse fox wolf bear deer owl eagle parrot duck goose hen swan frog
turtle snake lizard whale dolphin shark seal penguin tiger lion elephant giraffe zebra monkey panda koala camel hamster
hedgehog squirrel bee spider crab""".split()

FOODS = """pizza pasta rice soup salad bread cheese apple banana mango lemon cherry grape peach pear plum carrot potato
tomato onion mushroom spinach curry sushi ramen burger sandwich pancake waffle cake cookie chocolate honey yogurt omelette
lasagna risotto dumpling taco burrito falafel hummus noodle steak salmon tuna shrimp""".split()

HOBBIES = """chess tennis football hiking painting reading cooking dancing singing sailing running swimming cycling
fishing gardening knitting photography climbing skiing surfing yoga pottery astronomy archery""".split()

JOBS = """teacher doctor nurse baker farmer pilot chef lawyer painter singer writer engineer carpenter plumber tailor
gardener librarian detective captain sailor soldier wizard knight merchant blacksmith scientist astronomer musician
dentist photographer journalist architect mechanic electrician""".split()

THINGS = """lamp chair table desk sofa clock mirror carpet pillow blanket bottle cup plate bowl knife spoon kettle
toaster oven fridge phone laptop tablet monitor keyboard mouse printer camera headphones speaker charger cable battery
router backpack wallet watch umbrella jacket coat shirt sweater dress skirt jeans boots sneakers sandals scarf gloves
hat belt tent helmet bicycle skateboard guitar piano violin drum book notebook pen pencil brush hammer drill ladder
bucket candle vase basket puzzle ball doll kite drone telescope microscope""".split()

BRANDS = """dell acme lenovo sony canon bosch philips logitech asus nikon garmin casio epson braun siemens nokia
contoso globex initech umbra zenith orbit nimbus vertex apex aurora""".split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November
December""".split()
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

ADJECTIVES = """small big old new red quiet loud happy sad bright dark warm cold fast slow soft hard heavy light clean
dirty empty full cheap rich brave calm clever gentle kind lazy proud shy silly strong tall tiny wild wise young sweet
bitter sharp smooth rough round flat deep wide narrow early late strange simple famous hidden golden silver wooden""".split()

NOUNS = """river mountain forest garden bridge castle village island harbor market museum library school office kitchen
window door roof road street train ship boat plane car truck engine wheel clock letter story song poem picture map key
ring coin box bag stone sand snow rain wind storm cloud star moon sun night morning summer winter field farm tree flower
leaf seed apple bread table paper book page word number question answer idea plan dream friend child king queen team game
team race prize party dance music voice light fire water""".split()

VERBS_PAST = """found lost opened closed painted carried watched followed cleaned repaired visited crossed
remembered forgot drew built sold bought borrowed moved""".split()

TOPICS = """history music science travel sport food art health nature politics business technology education fashion
weather cinema gaming finance space books""".split()

LANGUAGES = {"English": "Hello", "French": "Bonjour", "German": "Hallo", "Spanish": "Hola", "Italian": "Ciao",
             "Portuguese": "Olá", "Dutch": "Hallo", "Swedish": "Hej", "Polish": "Cześć", "Japanese": "こんにちは",
             "Chinese": "你好", "Turkish": "Merhaba"}

CODES_OF_CURRENCY = "USD EUR GBP JPY CHF CAD AUD SEK NOK DKK PLN INR CNY BRL MXN KRW TRY ZAR".split()

_ONSET = "b br c ch cl d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl sm sn sp st str t th tr v w y z".split()
_VOWEL = "a e i o u a e i o u ai ea ee ia io oa oo ou".split()
_CODA = ["", "", "", "b", "ck", "d", "f", "g", "k", "l", "ll", "m", "n", "nd", "ng", "nt", "p", "r", "rd", "rk", "rn",
         "s", "ss", "st", "t", "th", "x", "z"]


def made_up(rng, low=1, high=2):
    """A word that no list has, so that copying is learnt and not remembering."""
    return "".join(rng.choice(_ONSET) + rng.choice(_VOWEL) + rng.choice(_CODA) for _ in range(rng.randint(low, high)))


def word(rng):
    kind = rng.random()
    if kind < 0.04:
        return made_up(rng)
    return rng.choice(rng.choice((NOUNS, THINGS, ANIMALS, FOODS, COLORS, ADJECTIVES, HOBBIES, JOBS)))


def first(rng):
    return rng.choice(FIRST) if rng.random() < 0.9 else made_up(rng, 1, 2).capitalize()


def last(rng):
    return rng.choice(LAST) if rng.random() < 0.9 else made_up(rng, 1, 2).capitalize()


def full_name(rng):
    return first(rng) + " " + last(rng)


def city(rng):
    return rng.choice(CITIES) if rng.random() < 0.92 else made_up(rng, 2, 2).capitalize()


def digits(rng, low=1, high=6):
    n = rng.randint(low, high)
    return str(rng.randint(10 ** (n - 1), 10 ** n - 1))


def few_digits(rng, low=4, high=12):
    """A long number of two to four digits over and over: what comes next follows from more than the last one."""
    some = rng.sample("0123456789", rng.choice((2, 3, 3, 4)))
    return "".join(rng.choice(some) for _ in range(rng.randint(low, high)))


def code(rng):
    shape = rng.randint(0, 6)
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    if shape == 0:
        return digits(rng, 3, 9)
    if shape == 1:
        return letters + "-" + digits(rng, 2, 6)
    if shape == 2:
        return letters + digits(rng, 2, 6)
    if shape == 3:
        return "#" + digits(rng, 3, 6)
    if shape == 4:
        return rng.choice(("ORD", "INV", "TKT", "REF", "ID", "PKG", "ACC")) + "-" + digits(rng, 3, 6)
    if shape == 5:
        return letters.lower() + "_" + digits(rng, 1, 4)
    return digits(rng, 2, 4) + "-" + digits(rng, 2, 4)


def date_iso(rng):
    m = rng.randint(1, 12)
    return f"{rng.randint(2019, 2031)}-{m:02d}-{rng.randint(1, MONTH_DAYS[m - 1]):02d}"


def date_words(rng):
    m = rng.randint(1, 12)
    return f"{MONTHS[m - 1]} {rng.randint(1, MONTH_DAYS[m - 1])}"


def clock(rng):
    return f"{rng.randint(0, 23):02d}:{rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02d}"


def email(rng):
    name = rng.choice(FIRST).lower() if rng.random() < 0.7 else made_up(rng)
    if rng.random() < 0.4:
        name += "." + rng.choice(LAST).lower()
    host = rng.choice(("example.com", "example.org", "mail.test", "post.test", "acme.test", made_up(rng) + ".com"))
    return name + "@" + host


def file_name(rng):
    stem = word(rng)
    if rng.random() < 0.4:
        stem += rng.choice("_-") + word(rng)
    if rng.random() < 0.2:
        stem += digits(rng, 1, 4)
    return stem + "." + rng.choice("txt md pdf csv json py cpp js html log png jpg yaml toml zip".split())


def folder(rng):
    return rng.choice(("/home/", "/tmp/", "/var/", "/data/", "/srv/", "./")) + word(rng) + (
        "/" + word(rng) if rng.random() < 0.4 else "")


def url(rng):
    return rng.choice(("https://", "http://")) + rng.choice(("example.com", "example.org", "docs.test",
                                                           made_up(rng) + ".org")) + "/" + word(rng)


def price(rng):
    if rng.random() < 0.6:
        return rng.choice((rng.randint(1, 99), rng.randint(1, 20) * 10, rng.randint(1, 2000)))
    return round(rng.randint(100, 99999) / 100, 2)


def sentence(rng):
    """A plain sentence with random words."""
    kind = rng.randint(0, 7)
    a, n = rng.choice(ADJECTIVES), rng.choice(NOUNS)
    if kind == 0:
        return f"The {a} {n} is near the {rng.choice(NOUNS)}."
    if kind == 1:
        return f"{first(rng)} {rng.choice(VERBS_PAST)} the {a} {n}."
    if kind == 2:
        return f"{first(rng)} and {first(rng)} {rng.choice(VERBS_PAST)} a {n} in {city(rng)}."
    if kind == 3:
        return f"On {rng.choice(DAYS)} the {rng.choice(JOBS)} {rng.choice(VERBS_PAST)} {rng.randint(2, 40)} {rng.choice(ANIMALS)}s."
    if kind == 4:
        return f"My {rng.choice(ANIMALS)} likes {rng.choice(FOODS)} and {rng.choice(HOBBIES)}."
    if kind == 5:
        return f"In {rng.choice(MONTHS)} we {rng.choice(VERBS_PAST)} the {n} of {made_up(rng, 2, 2).capitalize()}."
    if kind == 6:
        return f"A {rng.choice(JOBS)} from {city(rng)} {rng.choice(VERBS_PAST)} {made_up(rng)} and a {rng.choice(THINGS)}."
    return f"The {rng.choice(THINGS)} costs {price(rng)} dollars."


def a(noun):
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


def join(items):
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
