"""Tools without end: any verb with any noun, and parameters that a request names as people do ("for 3 weeks", "in Lyon",
"the blue one", "my badge number is K-12"). What no list of tools can teach: to read the tool and find its values."""

from . import tools
from . import words as w

VERBS = """adjust advance align answer apply arrange assemble assign attach bake balance bind block boil book borrow bring
browse brush burn buy call cancel capture carry catch change charge check chop choose clean clear climb close collect color
combine compare complete compose confirm connect consult control cool copy count cover create cut decorate deliver describe
design detect dig discard display divide download draw dress drop dry dust edit enable enter erase estimate examine exchange
explain explore extend fasten fetch fill filter find finish fix fold follow forecast freeze get give grade grind guard guess
guide hang harvest heat hide hold identify improve inflate inspect install invite iron join judge keep label launch lease
lend level lift light list locate lock log look_up lower mail make mark match measure melt mend mix move name observe offer
open order pack paint park pass paste patch pause pay peel pick place play polish post pour prepare press print produce
promote protect pull push queue raise rate reach read record recover recycle reduce refill refresh release remind remove
repair repeat replace request rescue reset return review ride rinse roast roll save scan schedule score scrub seal search
select sell send separate serve set sew shake share ship shorten show sign skip slice sort spin split spray spread stack
start steer stop store stretch study suggest supply sweep swap switch tag take taste teach tell test throw tie tow trace
trade train transfer trim tune turn update upgrade use verify visit wake walk warm watch water wax weigh wipe wrap""".split()

_NOUNS = """address airport album alphabet anchor antenna apron argument armor arrow article asteroid atlas auction badge
bakery balcony ballot bandage banner barrel beach beam bench bill bonus border bracelet brochure budget bus cabin cabinet
cable calendar canal candidate canoe canvas cargo cart cartridge ceiling cellar certificate chapter charger checklist
chimney choir circuit claim clinic closet coach collar column comet compass concert cottage crane crate crew crop crystal
cushion dataset deck delivery desert diary diploma discount dish display document drawer driver elevator envelope escalator
exam exhibit expense fabric factory fence ferry festival filter fireplace flag flashlight fleet floor fossil fountain frame
freezer furnace gallery gas_meter gate gear glacier glove grant greenhouse grill guideline gym habit hammock heater
helicopter hinge hose hospital hourglass humidity hut igloo index ink insurance inventory jacket jar jersey jewel journal
jungle keyhole kiosk knot label laboratory lagoon lake landmark lane lantern laundry lawn lease lecture lens license lid
lighthouse liquid loan locker locket magazine magnet mailing manual marathon mast mat meadow meal medal mill mission model
motor mural nail napkin necklace nest network newspaper notice oar oasis oil opera orchard orchestra ornament outlet oven
paddle palace panel parachute parade parcel patent path patient pattern pebble pension permit petition pier pillar pipe
pixel planet platform playground podium polygon pond portrait powder prism profile pump pyramid quarry quilt rack radar
raft railway rainfall ramp receipt record reef relay relic rental reservoir ribbon rocket rope rover saddle sail sample
sandbox sauna scale schedule scholarship screen sculpture seat seminar shelf shelter shipment shower shuttle signal
skeleton sketch sled snack solvent souvenir spring stadium stage staircase statue stove studio submarine suit suitcase
surgery swamp swing symbol tank tape target tariff telegram temple terminal terrace theater throne ticket tile tire toll
tool torch tower toy tractor trail tram trap treasure trench trophy tunnel turbine tutor uniform vaccine valley van vault
vehicle veil velocity village vineyard visa vitamin voucher wage waiter wallpaper warehouse warrant waterfall wharf
whistle windmill workshop yacht zoo""".split()

# Long words, which the vocabulary has in pieces that other words share.
_LONG_NOUNS = """accelerometer acquisition aggregation algorithm allocation ambulance animation annotation announcement
appliance assessment attraction auditorium authorization aviation benchmark binoculars biography broadcast caravan carnival
cathedral celebration ceremony chandelier chronometer collaboration collision commission compartment competition component
composition computation confirmation conservation consultation container contribution conversation corridor curriculum
declaration department destination diagnosis dictionary dimension disinfectant dispatch distillation duplicate ecosystem
education electrode emission encyclopedia entertainment equation equipment evacuation evaluation excavation exhibition
expedition experiment extension fermentation fertilizer firmware fixture formation formula foundation fraction freight
frequency generator geography graduation guarantee handkerchief harmonica headquarters hemisphere heritage hydrant
illumination illustration immigration inflation infection ingredient inscription inspection installation institution
instrument interview invention investigation invitation irrigation isolation jurisdiction laminate latitude legislation
limousine locomotive lubricant luminosity machinery manuscript marmalade masterpiece merchandise metabolism meteorite
metronome mineral ministry monastery monument mortgage motorcycle multiplier mythology navigation negotiation nomination
notification nutrition obligation observation obstacle occupation odometer operation optimization orientation oscillator
pamphlet parchment partnership passenger pasture pedestrian pendulum peninsula percussion performance perimeter periscope
personnel pharmacy philosophy photograph pollution porcelain portfolio possession postage precipitation prescription
presentation pressure probability procedure projector promotion propeller proposal prototype publication pulley puppet
quarantine questionnaire quotation radiation radiator reception reconciliation referendum refrigerator regiment registration
regulation rehearsal renovation replacement requisition residence resistance resolution restoration retirement revolution
ritual safari sanctuary saxophone scaffolding scenario secretary sediment semester sensitivity settlement simulation
solution specification specimen spectrum spreadsheet stabilizer statement stethoscope stipend strategy subsidy substitute
supplement surveillance suspension symphony syndicate telescope television temperature tournament translation transmission
transmitter transport treatment tribunal trumpet turbulence typewriter umbrella university upholstery vaccination vacancy
valuation ventilator vegetation verification vibration vocabulary waterproofing wavelength xylophone""".split()

# Pieces that the vocabulary has for other texts (JSON, code, small talk) and that names are as likely to be made of.
_PIECES = """abase about account acher acme addition additional adphones affle after again agle agna ailing ailor airo akers
akes alance alarm alist ality alog alone always alyze ameters amount analyze ancing anda ange animal anks another answered
answers anti anything apartment appointment approve aract archi archive arge arget arguments arly array arrival arta arter
arti article ashcard aske asked asking asks ason assi assist assistant assw assword astron ateboard atelier ates ather
attery ature author average backup base basket bedd before best bigger birth birthday bits blanket board boat body boolean
born borrowed bought bowl branch brary brella bridge brief briefly bright browser bucket build built calculate calhost
called calories came camera cannot capital carpenter carri carried catalog catego categorize category ccess ccup ccupation
celsi celsius cember cent cess chan chanic channel chant charact characters charging chat ched chema chen chine cian cies
cipe cise citations cker cleaned client clock closed closes clothing coat code coffe coffee colate cold colour comes command
comment compu compute concise const contact content contract convert cook copies core cost costs country coupon course crab
crash created crip cros crossed ctive culate cument curre currency current cust customer cuum dancing data database date
days dcast deemed degrees dele delete departure description destin destination dgehog directory dirty dist distance docs
does dollars dolphin done drew drill drone duct duction duration eagle eater eats echo ednesday elect electron electronic
electronics ello ellow else email embedd embeddings ember emplo employee encode endar ends enerate entist ents enum erve
esday estion estions ests eting euros event every exact exactly example export extract fahren fahrenhe fahrenheit falafel
false favo favorite favou favourite ffic fice file filename finding fing first fits flag flight flowers folder followed
following food foot fore forgot format foun found founded friend friendly from fuel function fund garage generate gent gguf
gift ging gira gister given gloves golden gory grees greet group guage guests gurt gust hamster hashtag have having
headphones hear heart hedgehog hell hello help helpful here high hobby holidays home hone honest horoscope host hotel hoto
hours houses hroom htag http https ician icroscope icycle idden image imal import imum inach ingredients intake inte inted
integer intment into intro introduction invented invoice irectory ired irre ishing issue itations itchen itect item items
itor itself itting jack ject joke json kettle keys kilo kind kipe kipedia kitchen knif knitting know lamp language lanket
last lasts lazy lden lder ldier lean lear leave less lette libra lidays like likely likes lili liliters limit listen listens
little live lived livery lling loads localhost logs long lookup lost lottery loud lour love lphin lume machine made many
marize mary mate mayor mber mbing mbol mean means medi medicine medium meet meeting member membership merge mess message
meters miles minder minutes mming mode model models money monitor month months more morning most mostat mount moved movie
much multiply named narrow near need needed never ngth nguin nights nobo nobody none nonym noodle note nothing null number
numbers ober object occupation ones only oodle ooll ools opened opens ople opposite oral orge ories origin ority orning
orrow orry other ouck ould oupon ource ournalist ourse oust outdoor outh owner package page pain painted painter paired
pancake panda parameters parking parrot parture password pasta payment peat pened penter people perature percent percentage
person perti perties phant phones photo photograph pies ping plant playlist please plied plit plus poem pointment poll
population posi posit posite pository pping price pril prime prin priority process product products progra program prompt
properties ptember publish pulation puzzle python quality quanti quantity query quest questions quiz quote ranch rand random
rank ranty rash rating ready reason reate recipe redi redients refund register reject relevant remember remembered reminder
rename rent repaired replay repo report repository required reserve restaurant restore resul result results retrieve rhyme
rhymes rian rician rieve rise riso rite rito rival rize road robot rong room root roscope rotate route router rows ruary
runs safe said sailor salary salmon says scar scarf schema schemas self sent senten sentence server settings sever severity
shirt shopping short shows showtimes silly silver simple simulate sing singing size sleep smith sofa soft sold some someone
something sorry source speed spelling square squirre stars station status staurant stay stem stock stores storm story
strange stream street strength strict string strong student subject submit subs subscribe subscription subtract success
summarize summary sunrise sunset supplied support survey swer synonym table tact tags task taxi tective temperature term
terms text texts than that them then there thermostat they thing things this ticket time timer times ting tings tiply tist
title toaster today token tokens tomat tomorrow tool tools topic total track tracking tract traffic trained translate
translation true turtle uary ublish udent ulate ultiply umber umpl unction under unit unload unlock upper urant urday urns
urre urry ursday urse user useum using uthor vacation vacuum valid value vant vari vender verage veral version vert very
vide video ving vings violin visited vite volume vote want wanted wants warranty wash watched ways weather week weight
weights welcome well were whal what wheel when whenever where whether which wich wikipedia will with without wizard wooden
word world writ write written wyer xtra xtract year years yment your zard zone zzle""".split()

_UNITS = """months weeks days hours minutes seconds years persons people children adults pieces boxes bottles cups grams
kilos liters meters feet pages copies cents dollars euros points steps rounds levels seats rows tickets times coins stars
percent degrees volts watts miles nights lines words layers spoons slices bags sheets items""".split()
_SHORT = {"cm": "cm", "kg": "kg", "km": "km", "mm": "mm", "ml": "ml", "mg": "mg", "min": "minutes", "sec": "seconds", "percent": "percent", "eur": "euros", "usd": "dollars"}
_SIZES = "depth width height length weight distance speed limit target amount price age volume range delay duration budget".split()
_PLACES = "city town region place area site port station venue location district village state country".split()
_DAYS = "day date weekday on_day start_day day_of_week".split()
_TIMES = "time hour start start_time at begin_time".split()
_PEOPLE = "person name player guest member patient visitor owner driver student client author user participant".split()
_FILES = "file document source image input attachment picture scan path".split()
_SUFFIXES = "number id code name key ref no".split()
_FEATURES = """insured gift wrapped refundable draft silent quiet urgent dry_run verbose include_tax notify fragile public private
anonymous recurring waterproof overnight preview force backup archived with_photos add_receipt skip_weekends keep_copy
round_up use_points send_copy as_guest paperless detailed""".split()


def _noun(rng):
    k = rng.random()
    if k < 0.38:
        return rng.choice(_NOUNS if rng.random() < 0.65 else _LONG_NOUNS).replace("_", " ")
    if k < 0.54:
        return w.word(rng)
    if k < 0.88:  # a word that the vocabulary has in pieces only
        return rng.choice((lambda r: r.choice(w.NOUNS + w.THINGS + w.FOODS) + r.choice(w.NOUNS + w.ANIMALS + _NOUNS).replace("_", ""), w.made_up, lambda r: r.choice(_PIECES) + r.choice(_PIECES)))(rng)
    return rng.choice((rng.choice(_NOUNS).replace("_", " "), rng.choice(w.ADJECTIVES + w.COLORS), w.word(rng))) + " " + rng.choice(_NOUNS).replace("_", " ")


def _letters(rng):
    return "".join(rng.choice("ABCDEFGHIKLMNOPQRSTVWXZ") for _ in range(rng.choice((2, 3, 3, 4))))


def _plural(noun):
    """More than one of them, or "" where it isn't as simple as that."""
    if noun[-1:] == "y" and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es" if noun.endswith(("x", "ch", "sh")) else ""
    return noun + "s"


def _describe(rng, schema, *texts):
    if rng.random() < 0.7:
        text = rng.choice(texts)
        schema["description"] = text[0].upper() + text[1:]
    return schema


def _of_noun(rng, noun):
    """What tells which one: "the crate K-12", "crate number 12"."""
    suffix = rng.choice(_SUFFIXES)
    name = rng.choice((noun, noun + " " + suffix, noun + " " + suffix, suffix, rng.choice(_NOUNS).replace("_", " ") + " " + suffix))
    if rng.random() < 0.25:
        v = rng.randint(1, 10 ** rng.randint(1, 5))
        schema = {"type": "integer"}
    else:
        v = rng.choice((w.code, w.code, w.code, w.first, lambda r: w.made_up(r, 2, 3).capitalize()))(rng)
        schema = {"type": "string"}
    return name, _describe(rng, schema, "the " + noun, suffix + " of the " + noun, name, "which " + noun), v, rng.choice(("@ {}", "@ {}", "@ " + suffix + " {}", "@ with " + suffix + " {}")).format(v), \
        rng.choice((f"My {noun} {suffix} is {v}.", f"The {noun} {suffix} is {v}.", f"The {suffix} is {v}.", f"It is {noun} {v}."))


def _amount(rng, noun):
    v = rng.randint(1, 99) if rng.random() < 0.75 else rng.randint(1, 10 ** rng.randint(2, 4))
    if rng.random() < 0.35:
        size, unit = rng.choice(_SIZES), rng.choice(list(_SHORT))
        name, spoken = size + " " + unit, _SHORT[unit]
        phrases = [f"{v} {spoken}", f"{size} {v} {spoken}", f"with {size} {v} {spoken}", f"to {v} {spoken}", f"of {v} {spoken}", f"by {v} {spoken}", f"for {v} {spoken}", f"{size} {v}"]
        alone = [f"The {size} is {v} {spoken}.", f"It has a {size} of {v} {spoken}.", f"It is {v} {spoken}."]
        texts = [size + " in " + unit, "the " + size, size]
    elif rng.random() < 0.22 and _plural(noun):  # "Buy 58 crates."
        v = max(v, 2)
        name = rng.choice(("count", "quantity", "amount", "number", "how many", "total", "number of " + _plural(noun), "num " + _plural(noun), noun + " count"))
        phrases, alone, texts = [f"# {v}"], [f"I need {v} {_plural(noun)}.", f"{v} {_plural(noun)}, please."], [f"how many {_plural(noun)}", "how many", f"number of {_plural(noun)}"]
    else:
        unit = rng.choice(_UNITS) if rng.random() < 0.92 else w.word(rng) + "s"
        name = rng.choice((unit, unit, "num " + unit, "number of " + unit, unit + " count", "count", "how many"))
        phrases = [f"for {v} {unit}", f"{v} {unit}", f"with {v} {unit}", f"of {v} {unit}", f"by {v} {unit}", f"to {v} {unit}", f"and {v} {unit}", f"after {v} {unit}"]
        alone = [f"It is for {v} {unit}.", f"{v} {unit}, please."]
        texts = ["how many " + unit, "number of " + unit, unit]
    return name, _describe(rng, {"type": "integer" if rng.random() < 0.8 else "number"}, *texts), v, rng.choice(phrases), rng.choice(alone)


def _plain(rng, noun):
    """Where, when, who, which file, in which language."""
    k = rng.randint(0, 7)
    if k == 0:
        v, name = w.city(rng), rng.choice(_PLACES)
        phrases = [f"in {v}", f"at {v}", f"near {v}", f"from {v}", f"to {v}", f"for {v}", f"of {v}"]
    elif k == 1:
        v, name = rng.choice((w.date_iso(rng), rng.choice(w.DAYS), w.date_words(rng))), rng.choice(_DAYS)
        phrases = [f"on {v}", f"for {v}", f"on {v}", f"until {v}"]
    elif k == 2:
        v, name = w.clock(rng), rng.choice(_TIMES)
        phrases = [f"at {v}", f"from {v}", f"by {v}"]
    elif k == 3:
        v, name = rng.choice((w.first, w.full_name))(rng), rng.choice(_PEOPLE)
        phrases = [f"for {v}", f"of {v}", f"with {v}", f"from {v}", f"to {v}", f"by {v}", f"= {v}'s @"]
    elif k == 4:
        v, name = rng.choice((w.file_name, w.file_name, w.folder, w.url))(rng), rng.choice(_FILES)
        phrases = [f"in {v}", f"from {v}", f"{v}", f"of {v}", f"on {v}"]
    elif k == 5:
        v, name = w.email(rng), rng.choice(("email", "to", "recipient", "account", "contact"))
        phrases = [f"to {v}", f"for {v}", f"of {v}"]
    elif k == 6:
        v, name = rng.choice(((rng.choice(list(w.LANGUAGES)), "language"), (rng.choice(list(w.CAPITALS)).replace("the ", ""), rng.choice(("country", "origin", "nation")))))
        phrases = [f"in {v}", f"from {v}", f"for {v}"] + ([f"speaking {v}"] if name == "language" else [])
    else:
        v, name = w.first(rng) if rng.random() < 0.6 else w.made_up(rng, 2, 3).capitalize() if rng.random() < 0.4 else w.word(rng), noun if rng.random() < 0.4 else w.word(rng)
        phrases = [f"called {v}", f"named {v}", f"@ {v}"] if name == noun else [f"with {name} {v}", f"of {name} {v}", f"at {name} {v}"]
    if rng.random() < 0.12 and k != 7:
        name = rng.choice((w.word(rng), rng.choice(_NOUNS).replace("_", " ")))  # the value alone says which parameter is meant
    return name, _describe(rng, {"type": "string"}, "the " + name, name, "which " + name), v, rng.choice(phrases), f"The {name} is {v}."


def _choice(rng, noun):
    """One of a few words, often before the noun: "the blue crate"."""
    options = list(dict.fromkeys(rng.choice((w.word(rng), rng.choice(w.ADJECTIVES), rng.choice(w.COLORS), rng.choice(_NOUNS).replace("_", " "))) for _ in range(rng.randint(2, 4))))
    if rng.random() < 0.15:
        options = rng.sample("ABCDEFXYZ", len(options))
    name = rng.choice(("kind", "type", "side", "mode", "style", "color", "variant", "category", "option", w.word(rng), noun + " type", "which " + noun))
    v = rng.choice(options)
    return name, _describe(rng, {"type": "string", "enum": options}, "the " + name, name, "which " + name), v, \
        rng.choice((f"= {v} @", f"= {v} @", f"= {v} @", f"with {name} {v}", f"{name} {v}", f"as {v}", f"of {v}", f"on the {v} {name}")), rng.choice((f"The {name} is {v}.", f"Take {v}.", f"{name[0].upper()}{name[1:]} {v}."))


def _named(rng, noun):
    """Any name, any value: "with altitude 300"."""
    name = rng.choice((w.word(rng), rng.choice(_NOUNS).replace("_", " "), w.word(rng) + " " + rng.choice(_SUFFIXES + ["type", "level", "size", "date"])))
    k = rng.random()
    if k < 0.5:
        v, kind = rng.choice((w.word, w.word, w.code, w.first, w.code))(rng), "string"
    elif k < 0.9:
        v, kind = rng.randint(0, 10 ** rng.randint(1, 5)), rng.choice(("integer", "integer", "number"))
    else:
        v, kind = w.price(rng), "number"
    quoted = f'"{v}"' if kind == "string" and rng.random() < 0.15 else v
    return name, _describe(rng, {"type": kind}, "the " + name, name, name + " of the " + noun), v, \
        rng.choice((f"with {name} {quoted}", f"{name} {quoted}", f"and {name} {quoted}", f"with the {name} {quoted}", f"whose {name} is {quoted}", f"with {quoted} as {name}", f"at {name} {quoted}")), \
        rng.choice((f"The {name} is {quoted}.", f"My {name} is {quoted}.", f"Its {name} is {quoted}."))


def _feature(rng, noun):
    """What may be switched on and mostly isn't asked for: such a parameter is left out."""
    name = rng.choice((rng.choice(_FEATURES), rng.choice(_FEATURES), w.word(rng), rng.choice(VERBS) + "_" + rng.choice(_NOUNS))).replace("_", " ")
    v = rng.random() < 0.8
    return name, _describe(rng, {"type": "boolean"}, name, "whether it is " + name, name + " " + rng.choice(("service", "mode", "option")), "the " + name), v, \
        f"with {name} set to {'true' if v else 'false'}", f"Set {name} to {'true' if v else 'false'}."


_ASKS = ["What is the {n} {p}?", "Which {n} is there {p}?", "Where is the {n} {p}?", "When is the {n} {p}?", "How much {n} is there {p}?", "I need the {n} {p}.", "Show me the {n} {p}.",
         "How is the {n} {p}?", "Tell me the {n} {p}.", "How big is the {n} {p}?", "What's the {n} {p}?", "Is there a {n} {p}?", "Is the {n} {p} {j}?", "Which {w} has the {n} {p}?", "What does the {n} {p} mean?", "I would like to know the {n} {p}.", "How many of the {n} are there {p}?"]
_WANTS = ["I need {a} {p}.", "{A} {p}, please.", "I would like {a} {p}.", "It is about {o} {p}.", "Can you help me with {o} {p}?", "Please take care of {o} {p}.", "I have {a} {p}."]
_DOES = ["{V} {o} {p}.", "Please {v} {o} {p}.", "Can you {v} {o} {p}?", "I want to {v} {o} {p}.", "I'd like to {v} {o} {p}.", "Could you {v} {o} {p}?", "{V} {o} {p}, please.", "I need to {v} {o} {p}.",
         "{V} {o} {p}", "I need {a} {p}.", "There is {a} {p}. Please {v} it.", "Help me {v} {o} {p}."]


def _clean(text):
    for a, b in ((" .", "."), (" ?", "?"), (" ,", ","), ("  ", " ")):
        while a in text:
            text = text.replace(a, b)
    return text.strip()


def _thing(rng):
    """(noun, short, long): what the tool is about; where its name abbreviates that, the abbreviation and, if the request has it
    too, what it stands for: ("LMV", "lmv", "loud magnet valve") for calculate_lmv."""
    noun, short, long = _noun(rng), "", ""
    if rng.random() < 0.06:
        if rng.random() < 0.6:
            noun = rng.choice((_letters(rng), _letters(rng) + " " + rng.choice(_SUFFIXES[2:] + _NOUNS).replace("_", " "), rng.choice(_NOUNS).replace("_", " ") + " " + _letters(rng)))
        else:
            parts = [rng.choice(w.ADJECTIVES + w.NOUNS)] + [rng.choice(_NOUNS + _LONG_NOUNS).replace("_", " ") for _ in range(rng.choice((1, 2, 2)))]
            noun = " ".join(parts)
            short = "".join(x[0] for x in noun.split())
            if rng.random() < 0.4:
                long, noun = noun, short.upper()
    return noun, short, long


def _parameters(rng, noun):
    """All that the tool takes, as (key, schema, value, phrase, sentence), and those of them that the request says."""
    count = rng.choices((0, 1, 2, 3, 4), (5, 38, 40, 13, 4))[0]
    makers = rng.choices((_of_noun, _amount, _plain, _choice, _named), (26, 24, 30, 16, 10), k=count)
    made, seen = [], set()
    for maker in dict.fromkeys(makers):  # two of a kind would be hard to tell apart
        p = maker(rng, noun)
        key = tools._case(rng, p[0].split(), 0)
        if key not in seen:
            seen.add(key)
            made.append((key, *p[1:]))
    used = [p for p in made if rng.random() < 0.83] or made[:1]
    if rng.random() < 0.12:
        p = _feature(rng, noun)
        key = tools._case(rng, p[0].split(), 0)
        if key not in seen:
            made.insert(rng.choice((len(made), len(made), rng.randint(0, len(made)))), (key, *p[1:]))
            used = [x for x in made if x in used or (x[0] == key and rng.random() < 0.15)]
    return made, used


def _phrases(rng, noun, used):
    """How the request says it: the noun with what clings to it, its article, the phrases after it, now and then a value in a sentence of
    its own, how many of the noun are meant, and how many values cling to it."""
    head, tail, after, amount, clings = noun, [], [], "", 0
    article = rng.choice(("the ", "the ", "a ", "my ", ""))
    spoken = list(used)
    rng.shuffle(spoken)
    for p in spoken:
        phrase, alone = p[3], p[4]
        if rng.random() < 0.13:
            after.append(alone)
        elif phrase.startswith("# "):
            amount = phrase[2:]
        elif phrase.startswith("= "):
            clings += 1
            head = phrase[2:].replace("@", head)
            article = "" if "'s " in phrase else article
        elif phrase.startswith("@"):
            clings += 1
            head, article = phrase.replace("@", head), rng.choice(("the ", "", "", "my ")) if article == "a " else article
        else:
            tail.append(phrase)
    if not used or rng.random() < 0.06:
        head = (rng.choice(w.ADJECTIVES) + " " if rng.random() < 0.5 and "'s " not in head else "") + head
    if (amount or rng.random() < 0.12) and _plural(noun) and noun in head:
        before, after_noun = head.rsplit(noun, 1)
        head, article = f"{amount} {before}{_plural(noun)}{after_noun}".strip(), "" if amount else "the " if article == "a " else article
    elif amount:
        tail.append(f"with {amount} of them")
    return head, article, tail, after, amount, clings


def need(rng):
    result = tools.Need()
    noun, short, long = _thing(rng)
    asks = rng.random() < 0.35
    verb = rng.choice(("get", "find", "check", "show", "look_up", "fetch")) if asks and rng.random() < 0.4 else rng.choice(VERBS) if rng.random() < 0.9 else w.made_up(rng, 1, 2)
    made, used = _parameters(rng, noun)
    head, article, tail, after, amount, clings = _phrases(rng, noun, used)
    form = rng.choice(_ASKS if asks else _WANTS if rng.random() < 0.2 else _DOES)
    subject = noun if noun in head else _plural(noun)
    if amount and form in _ASKS:
        form = rng.choice(_DOES)
    if not amount and clings == 1 and "{v}" in form.lower() and rng.random() < 0.15 and any(str(p[2]) in head.split() for p in used):  # "Weigh K-12."
        head, article, subject = next(str(p[2]) for p in used if str(p[2]) in head.split()), "", verb.replace("_", " ")
    # What the request calls it is not always what the tool is called: the name has to be read.
    spoken_verb = verb.replace("_", " ")
    if rng.random() < 0.12 and noun in head:
        verb = rng.choice(VERBS)
    called = short or noun.lower()
    if rng.random() < 0.2:
        more = rng.choice((w.word(rng), rng.choice(_NOUNS).replace("_", " ")))
        called = rng.choice((more + " " + called, more + " " + called, called + " " + more))
    if rng.random() < 0.06 and not short and _plural(called):
        called = _plural(called)
    bare = head[2:] if head.startswith("a ") else head
    text = form.format(n=bare, v=spoken_verb, V=spoken_verb[0].upper() + spoken_verb[1:], a=w.a(bare), A=w.a(bare).capitalize() if bare.islower() else w.a(bare), o=article + bare if article != "a " else w.a(bare), j=rng.choice(w.ADJECTIVES), w=w.word(rng), p=rng.choice((" ", " ", ", ")).join(tail) if tail else "")
    if after and text.rstrip()[-1] not in ".?!":
        text = text.rstrip() + "."
    result.request = _clean(" ".join([text] + after))
    parts = rng.choices(([verb, called], [called], [verb, called, rng.choice(("info", "data", "now", "service", "entry", "value"))], [called, verb]), (84, 7, 5, 4))[0]
    name = tools._case(rng, parts, tools._style(rng))
    named_verb, described = verb.replace("_", " "), long or noun if short else rng.choice((noun, called))
    description = rng.choice((named_verb + " {}", named_verb + " {}", tools.third_person(named_verb) + " {}", "{} " + named_verb)).format(rng.choice((w.a(described), "the " + described, described)))
    if rng.random() < 0.25:
        description += rng.choice((" for a user", " in a " + rng.choice(_NOUNS), " of a " + rng.choice(_NOUNS), " on request", " by its " + made[0][0].replace("_", " ") if made else "")).replace("_", " ")
    result.tool = tools.Tool(name, description[0].upper() + description[1:] + rng.choice(("", "", ".")), [(p[0], p[1], p in used and rng.random() < 0.9) for p in made])
    result.arguments = {p[0]: p[2] for p in made if p in used}
    result.topic, result.family = subject, called
    result.kinds = {}
    tools._result(rng, result, rng.choice(("get", "create", "search")), noun, "", rng.choice(("status", "count", "text", "code", "number", "list")))
    return result
