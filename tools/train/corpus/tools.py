"""Tool use: which tool, with which arguments, or none; and what to say about a tool's result.

A Need is something that a user may want: a tool that serves it, a request in words, the arguments that the request
means, a result and the answer to that result. The same need is offered with its tool among others, and without it:
calling and declining are learnt as a pair.
"""

import functools
import json
import re

import chat

from . import any_tools
from . import words as w

# object; actions; parameters (? optional, the user may leave it out); kind of value that "get" returns
OBJECTS = """
weather; get; city unit_temp? date?; weather
weather forecast; get; city days? unit_temp?; weather
current weather; get; city unit_temp?; weather
temperature; get; city unit_temp?; degrees
air quality; get check; city; level
delivery date; get; order_id; date
order status; get check; order_id; status
order; create cancel get; order_id; status
order total; get; order_id; money
tracking number; get; order_id; code
refund; request create; order_id reason?; code
invoice; get send create download; invoice_id; money
return label; create send; order_id; code
product; search get; query category? max_price? in_stock?; list
product price; get; product currency?; money
product stock; check get; product; count
products; search list; query category max_price; list
discount code; check apply create; code; percent
shopping cart; add_to clear get; product quantity; count
flight; search book cancel; origin destination date; list
flight status; get check; flight; status
hotel; search book; city date nights? guests?; list
hotel room; book reserve; city date nights guests; code
table; book reserve; restaurant guests time; code
restaurant; search find; city cuisine? max_price?; list
taxi; book order call; street time?; code
train ticket; book buy; origin destination date? class_travel?; code
train times; get; origin destination; time
route; get plan; origin destination mode?; distance
distance; get calculate; origin destination unit_len?; distance
traffic; get check; street; level
rental car; book reserve; city date days?; code
event; create delete search; title date time?; code
calendar; get show; date; list
meeting; schedule create cancel; title date time attendees?; code
appointment; book cancel; doctor date time; code
reminder; set create delete; title time date?; code
alarm; set delete; time label?; code
timer; start set; minutes label?; code
task; create add complete delete; title priority? date?; code
to-do list; get show; list_name?; list
note; create save delete; title text?; code
email; send write; email subject? text; code
message; send; person text; code
text message; send; phone text; code
phone call; start make; person; status
contact; create search get; person phone? email?; code
contact number; get; person; phone
user; create delete get search; username email? role?; code
user profile; get update; user_id; text
password; reset change; username; status
account balance; get check; account_id; money
bank transfer; make create; amount account_id currency?; code
payment; make create; amount person currency?; code
exchange rate; get; currency_from currency_to; number
money; convert; amount currency_from currency_to; money
stock price; get; ticker; money
share; buy sell; ticker quantity; code
tip; calculate; amount percent; money
loan payment; calculate; amount rate years; money
tax; calculate; amount country?; money
area; calculate; length width; number
square root; calculate; number; number
sum; calculate; numbers; number
average; calculate; numbers; number
percentage; calculate; number percent; number
random number; generate make; minimum maximum; number
password strength; check; password; level
length; convert; number unit_from unit_to; number
text; translate; text language; text
sentence; translate; text language; text
word; define look_up; word; text
synonym; get find; word; text
spelling; check; text; text
summary; create write; url sentences?; text
news; get search; topic country? limit?; list
wikipedia; search; query; text
web; search; query limit?; list
web page; open fetch; url; text
file; create delete read open; file; text
folder; create delete list; folder; list
files; list search; folder file_type?; list
code; run; code_lang file; text
image; create generate; text_desc size?; url
photo; search; query limit?; list
song; play search; song artist?; status
playlist; create play delete; title; code
music volume; set; percent; status
movie; search get; title year?; text
movie showtimes; get; movie city; list
book; search get order; title author?; code
recipe; search get; food servings? diet?; list
recipe ingredients; get; food servings?; list
calories; get count; food quantity?; count
workout; log start; hobby minutes; code
water intake; log; quantity_ml; count
weight; log convert; kilos; code
heart rate; get; person; count
medicine; order search; medicine quantity?; code
light; switch_on switch_off set; room brightness? color?; status
lamp; turn_on turn_off; room; status
thermostat; set; room degrees; status
room temperature; get set; room; degrees
door; lock unlock; door; status
garage; open close; ; status
camera; start stop; room; status
robot vacuum; start stop; room?; status
washing machine; start; program time?; status
coffee; make order; coffee size_cup?; status
pizza; order; pizza size_cup quantity?; code
flowers; order send; person color? street?; code
package; track send; code; status
parcel; track; code; status
ticket; create close get; ticket_id; status
support ticket; create; title priority text?; code
bug report; create; title severity; code
issue; create close search; title label?; code
pull request; merge open close; number_id repo; status
repository; create search delete; repo language_code?; code
branch; create delete; branch repo; status
database; query back_up; database; text
table rows; count get; table limit?; count
server; restart start stop; server; status
server status; get check; server; status
log; read show; server lines?; text
backup; create restore; database date?; code
deployment; start stop; server environment; status
survey; create send; title questions?; code
vote; cast; choice poll_id; status
translation; get; word language; text
time; get; city; time
current time; get; timezone; time
time zone; get convert; city; text
sunrise; get; city date?; time
sunset; get; city date?; time
capital; get; country; text
population; get; country year?; count
holidays; get list; country year; list
joke; get tell; topic?; text
quote; get; author?; text
horoscope; get; zodiac; text
lottery numbers; generate; count; list
game score; get; team date?; text
team; create get; title; list
match; search schedule; team team_other date?; code
employee; search create get; person department?; code
salary; get update; person amount?; money
vacation days; get request; person; count
leave; request; date days; code
student; add get; person grade; code
grade; get set; person subject; text
course; search join; subject level?; list
lesson; book cancel; subject date time; code
quiz; create start; subject questions difficulty?; code
flashcard; create; word text; code
pet; register search; animal title age?; code
vet appointment; book; animal date; code
plant; water; plant quantity_ml?; status
parking; pay find; street hours; code
fuel price; get; city; money
car; lock unlock start; car; status
charging station; find; city radius?; list
house; search; city max_price rooms?; list
apartment; search rent; city max_price? rooms?; list
job; search apply_for; job_title city?; list
résumé; send upload; file; status
contract; sign send; file person?; status
document; print sign search; file copies?; status
page; print; file copies; status
subscription; cancel start; plan; status
membership; renew cancel; member_id; status
gift card; buy check; amount? code?; code
coupon; apply; code; percent
review; write post; product stars text?; code
comment; post delete; text; code
post; publish delete; title tags?; code
hashtag; search; tag limit?; list
video; play search upload; title; status
podcast; play search; title; status
channel; open mute; title; status
radio; play; station; status
""".strip().splitlines()

VERBS = {
    "get": (["get", "fetch", "retrieve", "lookup"], "Get the {o}", ["What is the {o} {p}?", "Can you get the {o} {p}?",
            "Show me the {o} {p}.", "I need the {o} {p}.", "Tell me the {o} {p}, please.", "Please look up the {o} {p}.",
            "Could you tell me the {o} {p}?", "Get the {o} {p}.", "What's the {o} {p}?", "I'd like to know the {o} {p}."]),
    "check": (["check"], "Check the {o}", ["Check the {o} {p}.", "Can you check the {o} {p}?", "How is the {o} {p}?",
              "Please check the {o} {p}."]),
    "search": (["search", "find"], "Search for {o}", ["Find {ap} {p}.", "Search for {ap} {p}.", "I am looking for {ap} {p}.",
               "Can you find {ap} {p}?", "Look for {ap} {p}, please.", "Could you search for {ap} {p}?"]),
    "list": (["list"], "List the {o}", ["List the {o} {p}.", "Show me the {o} {p}.", "Which {o} are there {p}?"]),
    "create": (["create", "make", "new"], "Create {ao}", ["Create {ao} {p}.", "Make {ao} {p}, please.", "I want a new {o} {p}.",
               "Can you create {ao} {p}?", "Please set up {ao} {p}."]),
    "calculate": (["calculate", "compute"], "Calculate the {o}", ["Calculate the {o} {p}.", "What is the {o} {p}?",
                  "Work out the {o} {p}, please.", "Can you compute the {o} {p}?"]),
}
VALUES_DONE = {"status", "code", "count", "list", "text", "number", "money"}


def _plain(verb):
    text = verb.replace("_", " ")
    return ([verb], text[0].upper() + text[1:] + " {ao}", [
        text[0].upper() + text[1:] + " {ao} {p}.", "Please " + text + " {ao} {p}.", "Can you " + text + " {ao} {p}?",
        "I want to " + text + " {ao} {p}.", "Could you " + text + " {ao} {p}, please?", "I'd like to " + text + " {ao} {p}.",
        text[0].upper() + text[1:] + " the {o} {p}."])


def _n(rng, lo, hi):
    v = rng.randint(lo, hi)
    return v, str(v)


def _s(v):
    return v, v


def _num(rng, scale=None):
    k = rng.random()
    if k < 0.7:
        return _n(rng, 1, 10 ** rng.randint(1, 5))
    if k < 0.9:
        v = round(rng.uniform(0.1, 10 ** rng.randint(1, 3)), rng.randint(1, 2))
        return v, json.dumps(v)
    return _n(rng, 1, 10 ** rng.randint(5, 8))


def _enum(*values):
    def make(rng):
        return _s(rng.choice(values))
    make.enum = list(values)
    return make


def _numbers(rng):
    v = [rng.randint(1, 10 ** rng.randint(1, 4)) for _ in range(rng.randint(2, 5))]
    return v, w.join(map(str, v))


def _people(rng):
    v = [w.first(rng) for _ in range(rng.randint(2, 4))]
    return v, w.join(v)


def _tags(rng):
    v = [w.word(rng) for _ in range(rng.randint(2, 4))]
    return v, w.join(v)


def _title(rng):
    k = rng.random()
    if k < 0.3:
        return _s(w.word(rng))
    if k < 0.7:
        return _s((rng.choice(w.ADJECTIVES) + " " + w.word(rng)).capitalize())
    if k < 0.85:
        return _s("The " + w.word(rng).capitalize() + " of " + w.made_up(rng, 2, 2).capitalize())
    return _s(rng.choice(("buy", "call", "meet", "visit", "clean", "fix")) + " " + rng.choice(
        (w.first(rng), "the " + w.word(rng), w.word(rng))))


def _text(rng):
    return _s(w.sentence(rng) if rng.random() < 0.7 else rng.choice((
        "I will be late", "See you tomorrow", "Happy birthday!", "Where are you?", "The meeting is moved", "Thank you!",
        "I am on my way", "Dinner is ready", "Call me back", "Good luck with the exam")))


def _word(rng):
    return _s(w.word(rng))


def _query(rng):
    k = rng.random()
    if k < 0.35:
        return _s(w.word(rng))
    if k < 0.7:
        return _s(rng.choice(w.ADJECTIVES + w.COLORS + w.BRANDS) + " " + rng.choice(w.THINGS + w.NOUNS))
    return _s(rng.choice(w.BRANDS) if rng.random() < 0.5 else w.made_up(rng))


def _bool(rng):
    return (True, "true")


# kind: names, JSON type, descriptions, maker, phrases; {v} is the value in words, quoted text in some phrases
KINDS = {
    "city": ("city location place", "string", ["The city", "City name", "The name of the city"], lambda r: _s(w.city(r)),
             ["in {v}", "for {v}", "in {v}"]),
    "country": ("country country_name", "string", ["The country"], lambda r: _s(r.choice(list(w.CAPITALS)).replace("the ", "")),
                ["of {v}", "for {v}", "in {v}"]),
    "unit_temp": ("unit units", "string", ["Temperature unit", "The unit"], _enum("celsius", "fahrenheit"), ["in {v}", "in degrees {v}"]),
    "unit_len": ("unit", "string", ["Unit of length"], _enum("km", "miles"), ["in {v}"]),
    "unit_from": ("from_unit from", "string", ["Unit to convert from"], _enum("meters", "feet", "inches", "miles", "yards"), ["from {v}"]),
    "unit_to": ("to_unit to", "string", ["Unit to convert to"], _enum("centimeters", "kilometers", "millimeters", "nautical miles"), ["to {v}"]),
    "date": ("date day", "string", ["The date", "Date, YYYY-MM-DD", "The day"],
             lambda r: _s(r.choice((w.date_iso(r), w.date_iso(r), r.choice(w.DAYS), w.date_words(r), "tomorrow", "today"))), ["on {v}", "for {v}", "on {v}"]),
    "time": ("time at start_time", "string", ["The time", "Time, HH:MM", "Start time"], lambda r: _s(w.clock(r)), ["at {v}"]),
    "days": ("days num_days", "integer", ["Number of days"], lambda r: _n(r, 2, 14), ["for {v} days", "for the next {v} days"]),
    "nights": ("nights", "integer", ["Number of nights"], lambda r: _n(r, 2, 14), ["for {v} nights"]),
    "guests": ("guests people party_size", "integer", ["Number of guests", "How many people"], lambda r: _n(r, 2, 12), ["for {v} people", "for {v} guests"]),
    "hours": ("hours duration_hours", "integer", ["Number of hours"], lambda r: _n(r, 2, 12), ["for {v} hours"]),
    "minutes": ("minutes duration", "integer", ["Minutes"], lambda r: _n(r, 2, 180), ["for {v} minutes"]),
    "years": ("years term_years", "integer", ["Years"], lambda r: _n(r, 2, 30), ["over {v} years"]),
    "rate": ("rate interest_rate", "number", ["Interest rate in percent"], lambda r: _num_small(r), ["at {v} percent", "with a rate of {v}"]),
    "order_id": ("order_id order_number orderId", "string", ["The order's ID", "The customer's order ID", "Order number"], lambda r: _s(w.code(r)),
                 ["for order {v}", "for order number {v}", "for my order {v}", "of order {v}", "with the order number {v}", "for my order number {v}"]),
    "invoice_id": ("invoice_id invoice", "string", ["Invoice number"], lambda r: _s(w.code(r)), ["with number {v}", "{v}", "number {v}"]),
    "ticket_id": ("ticket_id id", "string", ["The ticket's ID"], lambda r: _s(w.code(r)), ["{v}", "with ID {v}", "number {v}"]),
    "poll_id": ("poll_id poll", "string", ["The poll"], lambda r: _s(w.code(r)), ["in poll {v}"]),
    "member_id": ("member_id", "string", ["Member number"], lambda r: _s(w.code(r)), ["of member {v}", "for member number {v}"]),
    "user_id": ("user_id userId id", "integer", ["The user's ID"], lambda r: _n(r, 1, 10 ** r.randint(2, 7)), ["of user {v}", "for user ID {v}", "for the user with ID {v}"]),
    "account_id": ("account_id account accountNumber", "string", ["Account number"], lambda r: _s(w.code(r)), ["of account {v}", "for account {v}", "to account {v}"]),
    "number_id": ("number pr_number", "integer", ["Its number"], lambda r: _n(r, 1, 9999), ["{v}", "number {v}"]),
    "code": ("code tracking_code id", "string", ["The code"], lambda r: _s(w.code(r)), ["{v}", "with code {v}", "with the code {v}"]),
    "product": ("product product_name item", "string", ["The product", "Name of the product", "The item"],
                lambda r: _s((r.choice(w.COLORS + w.BRANDS + w.ADJECTIVES) + " " if r.random() < 0.6 else "") + r.choice(w.THINGS)), ["of the {v}", "for the {v}", "for {v}"]),
    "query": ("query search_query q", "string", ["What to search for", "Search query", "The search term"], _query, ["for {v}", "about {v}", "matching {v}", "for \"{v}\""]),
    "category": ("category department", "string", ["The category", "Category to search in"], _enum("electronics", "clothing", "home", "outdoor", "toys", "books", "garden"), ["in {v}", "in the category {v}", "from {v}"]),
    "max_price": ("max_price maxPrice price_limit", "number", ["Highest price", "Maximum price in dollars"], lambda r: _money(r), ["under {v}", "for at most ${v}", "under ${v}", "below {v} dollars", "up to {v}"]),
    "in_stock": ("in_stock available_only", "boolean", ["Only what is in stock"], _bool, ["that is in stock", "in stock only"]),
    "amount": ("amount value sum", "number", ["The amount", "Amount of money"], lambda r: _money(r), ["of {v}", "for {v}", "of {v} dollars"]),
    "currency": ("currency", "string", ["Currency code"], lambda r: _s(r.choice(w.CODES_OF_CURRENCY)), ["in {v}"]),
    "currency_from": ("from_currency from base", "string", ["Currency to convert from"], lambda r: _s(r.choice(w.CODES_OF_CURRENCY)), ["from {v}"]),
    "currency_to": ("to_currency to target", "string", ["Currency to convert to"], lambda r: _s(r.choice(w.CODES_OF_CURRENCY)), ["to {v}"]),
    "percent": ("percent percentage level", "number", ["Percent", "Value in percent"], lambda r: _n(r, 1, 100), ["with {v} percent", "at {v}%", "to {v} percent"]),
    "ticker": ("ticker symbol", "string", ["Ticker symbol"], lambda r: _s("".join(r.choice("ABCDEFGHIKLMNOPQRSTUVWXYZ") for _ in range(r.randint(2, 5)))), ["of {v}", "for {v}"]),
    "quantity": ("quantity count amount", "integer", ["How many"], lambda r: _n(r, 2, 60), ["with quantity {v}", "{v} times", "{v} of them"]),
    "count": ("count n", "integer", ["How many"], lambda r: _n(r, 2, 60), ["with {v} of them", "{v} of them"]),
    "quantity_ml": ("milliliters ml amount_ml", "integer", ["Milliliters"], lambda r: (lambda v: (v, str(v)))(r.randint(1, 40) * 50), ["of {v} ml", "with {v} milliliters"]),
    "kilos": ("kg weight kilograms", "number", ["Weight in kilograms"], lambda r: _num_small(r), ["of {v} kg", "of {v} kilos"]),
    "number": ("number value x", "number", ["The number"], _num, ["of {v}", "for {v}"]),
    "numbers": ("numbers values", "array", ["The numbers"], _numbers, ["of {v}", "of the numbers {v}"]),
    "minimum": ("min minimum low", "integer", ["Smallest value"], lambda r: _n(r, 0, 50), ["from {v}", "between {v}"]),
    "maximum": ("max maximum high", "integer", ["Largest value"], lambda r: _n(r, 51, 10 ** r.randint(2, 5)), ["to {v}", "and {v}"]),
    "length": ("length a height", "number", ["The length"], _num, ["with length {v}"]),
    "width": ("width b", "number", ["The width"], _num, ["and width {v}", "with width {v}"]),
    "origin": ("origin from departure", "string", ["Where it starts", "Departure city"], lambda r: _s(w.city(r)), ["from {v}"]),
    "destination": ("destination to arrival", "string", ["Where it ends", "Arrival city"], lambda r: _s(w.city(r)), ["to {v}"]),
    "flight": ("flight flight_number", "string", ["Flight number"], lambda r: _s(r.choice("LH BA AF KL UA DL SK AY".split()) + w.digits(r, 2, 4)), ["of flight {v}", "of {v}", "for flight {v}"]),
    "class_travel": ("travel_class class", "string", ["Class"], _enum("first", "second"), ["in {v} class"]),
    "mode": ("mode transport", "string", ["How to travel"], _enum("car", "train", "bicycle", "foot"), ["by {v}"]),
    "street": ("address street place", "string", ["The address", "The street"], lambda r: _s(r.choice(("Main", "Oak", "Park", "Hill", "Lake", "Church", w.made_up(r).capitalize())) + " " + r.choice(("Street", "Road", "Avenue")) + (" " + w.digits(r, 1, 3) if r.random() < 0.6 else "")), ["at {v}", "near {v}", "in {v}"]),
    "restaurant": ("restaurant restaurant_name", "string", ["Restaurant"], lambda r: _s(r.choice(("Chez ", "Casa ", "The ", "")) + r.choice((w.made_up(r).capitalize(), w.first(r)))), ["at {v}"]),
    "cuisine": ("cuisine kind", "string", ["Cuisine"], _enum("italian", "indian", "thai", "mexican", "french", "chinese", "greek"), ["with {v} food", "with {v} cuisine"]),
    "title": ("title name subject", "string", ["The title", "Its name"], _title, ["called \"{v}\"", "called {v}", "with the title \"{v}\"", "named {v}", "\"{v}\""]),
    "subject": ("subject topic", "string", ["The subject"], lambda r: _s(r.choice(w.TOPICS) if r.random() < 0.6 else w.word(r)), ["about {v}", "in {v}", "on {v}"]),
    "topic": ("topic subject", "string", ["The topic"], lambda r: _s(r.choice(w.TOPICS + w.ANIMALS + w.FOODS)), ["about {v}", "on {v}"]),
    "list_name": ("list list_name", "string", ["Name of the list"], lambda r: _s(w.word(r)), ["called {v}"]),
    "attendees": ("attendees participants", "array", ["Who takes part"], _people, ["with {v}"]),
    "tags": ("tags labels", "array", ["Tags"], _tags, ["with the tags {v}"]),
    "doctor": ("doctor name", "string", ["The doctor"], lambda r: _s("Dr. " + w.last(r)), ["with {v}"]),
    "label": ("label note", "string", ["A label"], lambda r: _s(w.word(r)), ["with the label {v}", "labelled {v}"]),
    "priority": ("priority", "string", ["The priority"], _enum("low", "medium", "high"), ["with {v} priority", "with priority {v}"]),
    "severity": ("severity", "string", ["How bad it is"], _enum("minor", "major", "critical"), ["with severity {v}"]),
    "text": ("text message body content", "string", ["The text", "What to say"], _text, ["saying \"{v}\"", "with the text \"{v}\"", ": {v}", "that says \"{v}\""]),
    "text_desc": ("prompt description", "string", ["What it shows"], lambda r: _s(w.a(r.choice(w.ADJECTIVES) + " " + r.choice(w.ANIMALS)) + " with " + w.a(r.choice(w.THINGS))), ["of {v}", "showing {v}"]),
    "size": ("size", "string", ["Size"], _enum("256x256", "512x512", "1024x1024"), ["in {v}", "of size {v}"]),
    "size_cup": ("size", "string", ["Size"], _enum("small", "medium", "large"), ["in size {v}", "size {v}"]),
    "email": ("email to recipient address", "string", ["Email address"], lambda r: _s(w.email(r)), ["to {v}", "for {v}"]),
    "subject_line": ("subject", "string", ["Subject line"], _title, ["with the subject \"{v}\""]),
    "person": ("name person to", "string", ["The person", "Name of the person", "Who"], lambda r: _s(r.choice((w.first, w.full_name))(r)), ["for {v}", "of {v}", "to {v}"]),
    "phone": ("phone phone_number number", "string", ["Phone number"], lambda r: _s("+" + w.digits(r, 8, 11)), ["with the number {v}", "at {v}", "{v}"]),
    "username": ("username user login", "string", ["User name"], lambda r: _s(r.choice((w.made_up(r), r.choice(w.FIRST).lower() + w.digits(r, 1, 3)))), ["for {v}", "with username {v}", "for the user {v}"]),
    "password": ("password", "string", ["Password"], lambda r: _s(w.made_up(r) + w.digits(r, 2, 4)), ["of {v}"]),
    "role": ("role", "string", ["Role"], _enum("admin", "editor", "viewer"), ["as {v}", "with the role {v}"]),
    "reason": ("reason", "string", ["Why"], _enum("damaged", "wrong item", "too late", "not needed"), ["because it is {v}", "with the reason {v}"]),
    "language": ("language target_language to", "string", ["Language"], lambda r: _s(r.choice(list(w.LANGUAGES) + ["Greek", "Korean", "Finnish"])), ["into {v}", "to {v}"]),
    "language_code": ("language", "string", ["Programming language"], _enum("python", "rust", "c++", "go", "java"), ["in {v}"]),
    "code_lang": ("language", "string", ["Language"], _enum("python", "javascript", "bash"), ["in {v}"]),
    "word": ("word term", "string", ["The word"], _word, ["\"{v}\"", "for {v}", "of {v}"]),
    "sentences": ("sentences max_sentences", "integer", ["Sentences"], lambda r: _n(r, 2, 9), ["in {v} sentences"]),
    "url": ("url link", "string", ["The address", "URL"], lambda r: _s(w.url(r)), ["{v}", "at {v}", "of {v}"]),
    "limit": ("limit max_results", "integer", ["Most results"], lambda r: _n(r, 2, 50), ["with at most {v} results", "limited to {v}"]),
    "file": ("file file_name path filename", "string", ["The file", "File name"], lambda r: _s(w.file_name(r)), ["{v}", "named {v}", "called {v}"]),
    "folder": ("folder path directory", "string", ["The folder", "Path of the folder"], lambda r: _s(w.folder(r)), ["in {v}", "{v}"]),
    "file_type": ("file_type extension", "string", ["Type of file"], _enum("pdf", "txt", "csv", "jpg"), ["of type {v}"]),
    "song": ("song title track", "string", ["The song"], _title, ["\"{v}\"", "called {v}"]),
    "artist": ("artist by", "string", ["Artist"], lambda r: _s(w.full_name(r)), ["by {v}"]),
    "author": ("author", "string", ["Author"], lambda r: _s(w.full_name(r)), ["by {v}"]),
    "movie": ("movie title", "string", ["The movie"], _title, ["of \"{v}\"", "for {v}"]),
    "year": ("year", "integer", ["The year"], lambda r: _n(r, 1900, 2030), ["in {v}", "of {v}", "from {v}"]),
    "food": ("food dish name", "string", ["The dish", "Food"], lambda r: _s((r.choice(w.COLORS + ["spicy", "sweet", "fresh"]) + " " if r.random() < 0.3 else "") + r.choice(w.FOODS)), ["of {v}", "for {v}", "with {v}"]),
    "pizza": ("kind topping", "string", ["Kind of pizza"], lambda r: _s(r.choice(("margherita", "salami", "hawaii", w.word(r)))), ["with {v}"]),
    "coffee": ("kind drink", "string", ["Kind of coffee"], _enum("espresso", "latte", "cappuccino", "americano"), ["of kind {v}"]),
    "servings": ("servings", "integer", ["Servings"], lambda r: _n(r, 2, 12), ["for {v} servings", "for {v} people"]),
    "diet": ("diet", "string", ["Diet"], _enum("vegan", "vegetarian", "gluten-free"), ["that is {v}"]),
    "hobby": ("activity sport", "string", ["Activity"], lambda r: _s(r.choice(w.HOBBIES)), ["of {v}"]),
    "medicine": ("medicine name", "string", ["The medicine"], lambda r: _s(w.made_up(r, 2, 3)), ["{v}", "called {v}"]),
    "room": ("room location", "string", ["The room"], lambda r: _s(r.choice("kitchen bedroom bathroom hall office garage cellar attic".split() + ["living room", "guest room"])), ["in the {v}", "for the {v}"]),
    "brightness": ("brightness", "integer", ["Brightness, 0 to 100"], lambda r: _n(r, 1, 100), ["with brightness {v}", "at brightness {v}"]),
    "color": ("color colour", "string", ["The color"], lambda r: _s(r.choice(w.COLORS)), ["in {v}", "with the color {v}"]),
    "degrees": ("degrees temperature", "number", ["Degrees"], lambda r: _n(r, 5, 35), ["to {v} degrees"]),
    "door": ("door", "string", ["The door"], lambda r: _s(r.choice(("front", "back", "cellar", "garage", "garden")) + " door"), ["at the {v}", ", the {v}"]),
    "program": ("program", "string", ["Program"], _enum("eco", "quick", "cotton", "wool"), ["with program {v}"]),
    "plant": ("plant", "string", ["The plant"], lambda r: _s(r.choice("rose fern cactus orchid tulip basil ficus".split())), [", the {v}"]),
    "repo": ("repo repository", "string", ["The repository"], lambda r: _s(w.made_up(r) + "/" + w.word(r)), ["in {v}", "of {v}"]),
    "branch": ("branch name", "string", ["The branch"], lambda r: _s(r.choice(("main", "dev", "fix-" + w.word(r), "feature/" + w.word(r)))), ["{v}", "called {v}"]),
    "database": ("database db", "string", ["The database"], lambda r: _s(w.word(r) + r.choice(("", "_db", "_prod", "_test"))), ["{v}", "called {v}"]),
    "table": ("table table_name", "string", ["The table"], lambda r: _s(w.word(r) + "s"), ["of {v}", "in {v}"]),
    "server": ("server host", "string", ["The server"], lambda r: _s(r.choice(("web", "db", "app", "mail", w.made_up(r))) + r.choice(("", "-" + w.digits(r, 1, 2)))), ["{v}", "of {v}", "on {v}"]),
    "environment": ("environment env", "string", ["Environment"], _enum("production", "staging", "test"), ["in {v}", "to {v}"]),
    "lines": ("lines", "integer", ["Lines"], lambda r: _n(r, 2, 500), ["with {v} lines"]),
    "questions": ("questions num_questions", "integer", ["Questions"], lambda r: _n(r, 2, 50), ["with {v} questions"]),
    "difficulty": ("difficulty", "string", ["Difficulty"], _enum("easy", "medium", "hard"), ["of difficulty {v}", "that is {v}"]),
    "level": ("level", "string", ["Level"], _enum("beginner", "advanced"), ["at level {v}"]),
    "choice": ("choice option", "string", ["The choice"], _word, ["for {v}"]),
    "timezone": ("timezone tz", "string", ["Time zone"], lambda r: _s(r.choice(("UTC", "CET", "PST", "EST", "Europe/Paris", "Asia/Tokyo", "America/New_York"))), ["in {v}"]),
    "zodiac": ("sign", "string", ["Zodiac sign"], _enum("aries", "taurus", "gemini", "leo", "virgo", "libra"), ["for {v}"]),
    "team": ("team", "string", ["The team"], lambda r: _s(w.city(r) + " " + r.choice("Lions Bears Eagles Wolves Sharks Stars".split())), ["of the {v}", "with the {v}"]),
    "team_other": ("opponent", "string", ["The other team"], lambda r: _s(w.city(r) + " " + r.choice("Tigers Hawks Kings Bulls".split())), ["against the {v}"]),
    "department": ("department", "string", ["Department"], _enum("sales", "support", "engineering", "finance"), ["in {v}", "from {v}"]),
    "grade": ("grade class", "integer", ["Grade"], lambda r: _n(r, 1, 12), ["in grade {v}"]),
    "animal": ("animal species", "string", ["Animal"], lambda r: _s(r.choice(w.ANIMALS)), ["for a {v}", "that is a {v}"]),
    "age": ("age", "integer", ["Age"], lambda r: _n(r, 1, 20), ["aged {v}"]),
    "car": ("car vehicle", "string", ["The car"], lambda r: _s(r.choice(w.COLORS) + " " + r.choice(("van", "truck", "sedan", w.made_up(r)))), [", the {v}"]),
    "radius": ("radius radius_km", "number", ["Radius in km"], lambda r: _n(r, 2, 50), ["within {v} km"]),
    "rooms": ("rooms bedrooms", "integer", ["Rooms"], lambda r: _n(r, 2, 8), ["with {v} rooms"]),
    "job_title": ("title job", "string", ["The job"], lambda r: _s(r.choice(w.JOBS)), ["as {v}", "as a {v}"]),
    "copies": ("copies", "integer", ["Copies"], lambda r: _n(r, 2, 40), ["with {v} copies", "{v} times"]),
    "plan": ("plan", "string", ["Plan"], _enum("basic", "plus", "premium"), ["with the plan {v}", "for the {v} plan"]),
    "stars": ("stars rating", "integer", ["Stars, 1 to 5"], lambda r: _n(r, 2, 5), ["with {v} stars"]),
    "tag": ("tag hashtag", "string", ["The tag"], _word, ["#{v}", "{v}"]),
    "station": ("station", "string", ["The station"], lambda r: _s("Radio " + w.made_up(r).capitalize()), ["{v}"]),
}


def _num_small(rng):
    v = round(rng.uniform(0.5, 120), rng.randint(0, 1))
    v = int(v) if v == int(v) else v
    return v, json.dumps(v)


def _money(rng):
    v = w.price(rng)
    return v, json.dumps(v)


def _value(rng, kind):
    """A result of a get, as a JSON value, and in words."""
    if kind == "weather":
        d, c = rng.randint(-15, 40), rng.choice(("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear"))
        return {"temperature": d, "condition": c}, f"{d} degrees and {c}"
    if kind == "degrees":
        d = rng.randint(-15, 40)
        return d, f"{d} degrees"
    if kind == "money":
        v = w.price(rng)
        c = rng.choice(w.CODES_OF_CURRENCY)
        return {"amount": v, "currency": c}, f"{json.dumps(v)} {c}"
    v = {"date": lambda: rng.choice((w.date_iso(rng), w.date_words(rng))), "time": lambda: w.clock(rng),
         "level": lambda: rng.choice(("good", "fair", "poor", "low", "high")), "code": lambda: w.code(rng),
         "status": lambda: rng.choice(("shipped", "delivered", "pending", "on time", "delayed", "running", "stopped", "open", "closed", "on the way")),
         "count": lambda: rng.randint(0, 5000), "percent": lambda: rng.randint(1, 90), "number": lambda: _num(rng)[0],
         "distance": lambda: f"{rng.randint(2, 3000)} km", "phone": lambda: "+" + w.digits(rng, 8, 11), "url": lambda: w.url(rng),
         "list": lambda: [w.word(rng) for _ in range(rng.randint(1, 4))], "text": lambda: w.sentence(rng)[:-1]}[kind]()
    return v, w.join(v) if isinstance(v, list) else v if isinstance(v, str) else json.dumps(v)


class Tool:
    def __init__(self, name, description, params):
        self.name, self.description, self.params = name, description, params  # params: (name, schema, required)

    def schema(self, rng):
        properties = {n: s for n, s, _ in self.params}
        required = [n for n, _, r in self.params if r]
        parameters = {"type": "object", "properties": properties}
        if required or rng.random() < 0.5:
            parameters["required"] = required
        if rng.random() < 0.15:
            parameters["additionalProperties"] = False
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        if not properties and rng.random() < 0.5:  # nothing to give: there are several ways of saying so
            function["parameters"] = {"type": "object", "properties": {}}
            if rng.random() < 0.4:
                del function["parameters"]
        if rng.random() < 0.06:
            del function["description"]
        if rng.random() < 0.05:
            function["strict"] = True
        return {"type": "function", "function": function}


class Need:
    """tool, topic (words of the request), request, arguments, result text, answer, family (object), kinds (of arguments,
    for those that the request has as a word or words of their own). From the table also what it takes to ask for the same tool
    again: chosen (its parameters), asked (ways to ask), row (action, kind of result, the object with its article)."""


def _schema_of(rng, kind, described):
    names, kind_type, descriptions, make, phrases = KINDS[kind]
    schema = {"type": kind_type}
    if kind_type == "array":
        schema["items"] = {"type": "number" if kind == "numbers" else "string"}
    enum = getattr(make, "enum", None)
    if enum and rng.random() < 0.8:
        schema["enum"] = enum
    if described:
        text = rng.choice(descriptions)
        schema = {"description": text, **schema} if rng.random() < 0.15 else {**schema, "description": text}
    return rng.choice(names.split()), schema


def _case(rng, parts, style):
    parts = [p for part in parts for p in part.replace("-", "_").replace(" ", "_").replace("é", "e").split("_") if p]
    if style == 0:
        return "_".join(parts)
    if style == 1:
        return parts[0] + "".join(p.capitalize() for p in parts[1:])
    if style == 2:
        return "-".join(parts)
    return "".join(p.capitalize() for p in parts)


def _style(rng):
    return rng.choices((0, 1, 2, 3), (76, 18, 2, 4))[0]


_TABLE = [[f.strip() for f in line.split(";")] for line in OBJECTS]


def catalogued(rng):
    """A need from the table of everyday objects."""
    obj, actions, params, value = rng.choice(_TABLE)
    return _catalogued(rng, obj, rng.choice(actions.split()), params.split(), value)


def _catalogued(rng, obj, action, params, value, whole=False):
    """whole: the tool has all that it can take, whether the request says it or not."""
    verbs, description, requests = VERBS.get(action) or _plain(action)
    style = _style(rng)
    verb = rng.choice(verbs)
    if action == "get" and rng.random() < 0.1:
        name = _case(rng, [obj, rng.choice(("get", "info", "lookup"))], style)
    else:
        name = _case(rng, [verb, obj], style)
    plural = obj.endswith("s") and not obj.endswith("ss")
    ao = obj if plural or obj in ("weather", "money", "traffic", "music", "coffee", "leave", "news", "wikipedia", "water") else w.a(obj)
    described = rng.random() < 0.75
    chosen, phrases, seen = [], [], set()
    for p in params:
        optional, kind = p.endswith("?"), p.rstrip("?")
        pname, schema = _schema_of(rng, kind, described)
        if pname in seen:
            pname = next((other for other in (*KINDS[kind][0].split(), kind) if other not in seen), pname + "_2")
        seen.add(pname)
        used = not optional or rng.random() < 0.4
        if optional and not used and not whole and rng.random() < 0.4:
            continue
        v, text = KINDS[kind][3](rng)
        if used:
            phrases.append(rng.choice(KINDS[kind][4]).replace("{v}", text))
        chosen.append((pname, schema, not optional, used, v, kind))
    if rng.random() < 0.2:
        rng.shuffle(phrases)
    if rng.random() < 0.15:
        rng.shuffle(chosen)
    need = Need()
    need.chosen, need.asked, need.row = chosen, requests, (action, value, ao)
    fill = dict(o=obj, ao=ao, ap=ao if rng.random() < 0.5 or plural else obj + "s", p=" ".join(phrases))
    descr = description.format(**fill)
    extra = rng.random()
    if extra < 0.25:
        descr += "."
    elif extra < 0.4 and chosen:
        descr += rng.choice((" for the user", " by " + chosen[0][0].replace("_", " "), " of a customer", " and return the result"))
    need.tool = Tool(name, descr, [(n, s, r) for n, s, r, _, _, _ in chosen])
    request = rng.choice(requests).format(**fill)
    need.request = _spaced(request)
    need.arguments = {n: v for n, _, _, used, v, _ in chosen if used}
    need.topic, need.family = obj, obj
    need.kinds = {n: KINDS[k] for n, _, _, used, _, k in chosen if used}
    _result(rng, need, action, obj, phrases[0] if phrases else "", value)
    return need


def _asked_again(rng, need, used):
    """The same tool, asked for with other values and other options: those whose names are in used."""
    other = Need()
    other.tool, other.topic, other.family, other.kinds = need.tool, need.topic, need.family, {}
    other.arguments, phrases = {}, []
    for name, _, _, _, _, kind in need.chosen:
        if name in used:
            other.arguments[name], text = KINDS[kind][3](rng)
            other.kinds[name] = KINDS[kind]
            phrases.append(rng.choice(KINDS[kind][4]).replace("{v}", text))
    if rng.random() < 0.3:
        rng.shuffle(phrases)
    obj, (action, value, ao) = need.topic, need.row
    other.request = _spaced(rng.choice(need.asked).format(o=obj, ao=ao, ap=ao, p=" ".join(phrases)))
    _result(rng, other, action, obj, phrases[0] if phrases else "", value)
    return other


def _spaced(request):
    return request.replace(" :", ":").replace(" ,", ",").replace(" .", ".").replace(" ?", "?").replace("  ", " ")


def _result(rng, need, action, obj, phrase, value):
    if rng.random() < 0.07:
        error = rng.choice(("not found", "no permission", "service unavailable", "timeout", "invalid " + rng.choice(list(need.arguments) or ["request"])))
        need.result = json.dumps({"error": error})
        need.answer = f"That did not work: {error}."
        return
    if action in ("get", "check", "calculate", "convert", "define", "look_up", "translate", "show", "count"):
        v, text = _value(rng, value)
        key = rng.choice(("result", obj.replace(" ", "_"), "value"))
        if isinstance(v, dict):
            need.result = json.dumps(v)
        elif rng.random() < 0.25 and isinstance(v, str):
            need.result = v
        else:
            need.result = json.dumps({key: v}, ensure_ascii=False)
        phrase = "" if not phrase or '"' in phrase or ":" in phrase or len(phrase) > 40 else " " + phrase.replace(" my ", " your ")
        need.answer = f"The {obj}{phrase} {'are' if obj.endswith('s') and not obj.endswith('ss') else 'is'} {text}.".replace(" ,", ",")
        return
    if action in ("search", "find", "list") and value in ("list", "code", "text"):
        items = [w.word(rng) + (" " + w.word(rng) if rng.random() < 0.4 else "") for _ in range(rng.randint(0, 4))]
        form = rng.random()
        if form < 0.4:
            need.result = json.dumps(items)
        elif form < 0.7:
            need.result = json.dumps({"results": items})
        else:
            need.result = json.dumps([{"name": i, "price": rng.randint(1, 500)} for i in items])
            items = [f"{d['name']} ({d['price']})" for d in json.loads(need.result)]
        need.answer = "I found " + w.join(items) + "." if items else "I found nothing."
        return
    done = rng.choice(("ok", "done", "success", "created", "confirmed", "accepted"))
    form = rng.random()
    if form < 0.4:
        ident = w.code(rng)
        need.result = json.dumps({"status": done, "id": ident})
        need.answer = f"Done. The ID is {ident}."
    elif form < 0.7:
        need.result = json.dumps({"status": done}) if rng.random() < 0.5 else json.dumps({"success": True})
        need.answer = "Done."
    else:
        need.result = done
        need.answer = "Done."


_GENERIC_VERBS = """get set find make open close start stop send read write add remove show hide check count sort copy move
build break fix load save print draw paint measure weigh mix cook clean wash lock unlock rename merge split compare export
import publish archive restore rate rank assign approve reject invite register scan verify encode decode compress resize
rotate crop record replay submit assess predict estimate simulate render format validate analyze summarize subscribe
notify ping log fetch update delete create list query say greet tell""".split()
_GENERIC_NOUNS = None


def _generic_param(rng, depth=0):
    """(name, schema, value, phrase)"""
    name = rng.choice((w.word(rng), rng.choice(("name", "id", "key", "value", "label", "kind", "mode", "level", "target",
                       "source", "note", "size", "speed", "reason", "owner", "group", "version", "path", "tag", "start", "end"))))
    name = name.replace("-", "_")
    spoken = name.replace("_", " ")
    k = rng.random()
    if k < 0.4:
        v = rng.choice((w.word, w.first, w.code, w.city, w.made_up, w.full_name, lambda r: _title(r)[0], w.email, w.file_name))(rng)
        schema, text = {"type": "string"}, v
        if rng.random() < 0.35:
            text = '"' + v + '"'
    elif k < 0.6:
        v = rng.randint(0, 10 ** rng.randint(1, 7))
        schema, text = {"type": "integer"}, str(v)
    elif k < 0.7:
        v, text = _num(rng)
        schema = {"type": "number"}
    elif k < 0.82:
        options = [w.word(rng) for _ in range(rng.randint(2, 5))]
        v = rng.choice(options)
        schema, text = {"type": "string", "enum": options}, v
    elif k < 0.89:
        v = rng.random() < 0.5
        schema, text = {"type": "boolean"}, "true" if v else "false"
    elif k < 0.98 or depth:
        v = [w.word(rng) for _ in range(rng.randint(2, 4))] if rng.random() < 0.6 else [rng.randint(0, 999) for _ in range(rng.randint(2, 4))]
        schema = {"type": "array", "items": {"type": "string" if isinstance(v[0], str) else "integer"}}
        text = w.join(map(str, v))
    else:
        inner, seen = [], set()
        for _ in range(rng.randint(2, 3)):
            p = _generic_param(rng, 1)
            if p[0] not in seen:
                seen.add(p[0])
                inner.append(p)
        schema = {"type": "object", "properties": {p[0]: p[1] for p in inner}, "required": [p[0] for p in inner]}
        return name, schema, {p[0]: p[2] for p in inner}, spoken + " having " + w.join(p[3] for p in inner)
    if rng.random() < 0.5:
        schema["description"] = rng.choice(("The " + spoken, spoken.capitalize(), "The " + spoken + " to use", "Its " + spoken))
    return name, schema, v, spoken + " " + rng.choice(("", "", "= ", "of ")) + text


def third_person(verb):
    head, _, rest = verb.partition(" ")
    if head.endswith("y") and head[-2] not in "aeou":
        head = head[:-1] + "ies"
    else:
        head += "es" if head.endswith(("s", "sh", "ch", "x")) else "s"
    return head + (" " + rest if rest else "")


def generic(rng):
    """A need with a tool that no list knows: any verb, any object, any parameters."""
    verb = rng.choice(_GENERIC_VERBS)
    noun = w.word(rng) if rng.random() < 0.6 else rng.choice(w.ADJECTIVES) + " " + w.word(rng)
    if rng.random() < 0.3:
        noun += " " + w.word(rng)
    style = _style(rng)
    params, seen = [], set()
    for _ in range(rng.choices((0, 1, 2, 3, 4), (5, 35, 35, 18, 7))[0]):
        p = _generic_param(rng)
        if p[0] not in seen:
            seen.add(p[0])
            params.append(p)
    need = Need()
    used = [p for p in params if rng.random() < 0.88]
    article = rng.choice(("the ", "the ", "a ", ""))
    goal = verb + " " + (w.a(noun) if article == "a " else article + noun)
    third = third_person(verb)
    form = rng.random()
    description = goal if form < 0.5 else third + goal[len(verb):]
    description = description[0].upper() + description[1:] + rng.choice(("", ".", ""))
    need.tool = Tool(_case(rng, [verb, noun], style), description, [(p[0], p[1], p in used) for p in params])
    spoken = list(used)
    if rng.random() < 0.25:
        rng.shuffle(spoken)
    tail = ""
    if spoken:
        tail = rng.choice((" with ", " with ", ", ", ": ", " using ")) + w.join(p[3] for p in spoken)
    request = rng.choice(("{g}{t}.", "Please {g}{t}.", "Can you {g}{t}?", "I want to {g}{t}.", "{g}{t}", "Could you {g}{t}?",
                          "I need you to {g}{t}.", "Now {g}{t}, please.")).format(g=goal, t=tail)
    need.request = (request[0].upper() + request[1:]).replace("  ", " ")
    need.arguments = {p[0]: p[2] for p in used}
    need.topic = need.family = noun
    need.kinds = {}
    _result(rng, need, rng.choice(("get", "create", "search")), noun, "", rng.choice(("status", "count", "text", "code", "number", "list")))
    return need


def described(rng):
    """A tool whose name says little: the description must be read. And quick-start tools of the documentation."""
    k = rng.randint(0, 9)
    need = Need()
    need.kinds = {}
    need.family = ("hello", "products product", "delivery date order", "sum number", "prime number", "file files", "wikipedia word", "time", "folder file files",
                   "web page")[k]
    if k == 0:
        name = rng.choice((w.full_name(rng), w.first(rng), w.first(rng) + " the " + rng.choice(w.JOBS).capitalize()))
        need.tool = Tool(rng.choice(("say_hello", "sayHello", "greet", "greet_person")), rng.choice(("Says hello to a person", "Say hello to someone", "Greets a person by name")),
                         [("name", {"type": "string", "description": rng.choice(("The person's name", "Who to greet"))}, True)])
        need.request = rng.choice(("Can you say hello to {}?", "Say hello to {}.", "Please say hello to {}", "Please greet {}.", "Say hi to {}, please.", "Could you say hello to {}?")).format(name)
        need.arguments, need.topic = {"name": name}, "a greeting"
        need.result, need.answer = f"Hello, {name}!", f"I said hello to {name}."
    elif k == 1:
        q, c, m = _query(rng)[0], rng.choice(("electronics", "clothing", "home", "outdoor")), w.price(rng)
        need.tool = Tool(rng.choice(("search_products", "search_products", "searchProducts", "find_products")), rng.choice(("Search the product catalog by various criteria", "Search the product catalog", "Search the catalog. Use this whenever a customer asks about products")),
                         [("query", {"type": "string", "description": rng.choice(("Search terms or product name", "What to search for"))}, True),
                          ("category", {"type": "string", "description": "Product category to filter by", "enum": ["electronics", "clothing", "home", "outdoor"]}, False),
                          ("max_price", {"type": "number", "description": "Maximum price in dollars"}, False)])
        parts, args = [], {"query": q}
        if rng.random() < 0.6:
            parts.append(rng.choice((f"in {c}", f"in the {c} category", f"from {c}")))
            args["category"] = c
        if rng.random() < 0.7:
            parts.append(rng.choice((f"under ${m}", f"under {m} dollars", f"below ${m}", f"for less than ${m}")))
            args["max_price"] = m
        if rng.random() < 0.5:
            parts.reverse()
        need.request = rng.choice(("What {} products do you have {}?", "Show me {} products {}.", "Do you have {} products {}?", "Find {} products {}.", "Which {} products are there {}?")).format(q, " ".join(parts)).replace(" ?", "?").replace(" .", ".")
        need.arguments, need.topic = args, "products"
        items = [{"name": (q + " " + rng.choice(w.THINGS)), "price": rng.randint(5, 90)} for _ in range(rng.randint(1, 3))]
        need.result = json.dumps(items)
        need.answer = "I found " + w.join(f"{i['name']} ({i['price']})" for i in items) + "."
    elif k == 2:
        code = w.code(rng)
        pname = rng.choice(("order_id", "order_id", "orderId", "order_number"))
        need.tool = Tool(rng.choice(("get_delivery_date", "get_delivery_date", "getDeliveryDate", "delivery_date")), rng.choice(("Get the delivery date for a customer's order", "Get the delivery date for a customer's order. Call this whenever you need to know the delivery date, for example when a customer asks 'Where is my package'")),
                         [(pname, {"type": "string", **({"description": "The customer's order ID."} if rng.random() < 0.5 else {})}, True)])
        need.request = rng.choice(("Hi, can you tell me the delivery date for my order? My order number is {}", "Give me the delivery date and time for order number {}", "Where is my package? The order number is {}.", "When will my order {} arrive?",
                                   "Can you tell me the delivery date for my order number {}?", "Hi, when does order {} come?", "I am waiting for my order {}. When will it be delivered?", "What is the delivery date of order {}?")).format(code)
        need.arguments, need.topic = {pname: code}, "order"
        date = rng.choice((w.date_iso(rng), w.date_words(rng)))
        need.result = json.dumps({pname: code, "delivery_date": date}) if rng.random() < 0.6 else date
        need.answer = f"Your order {code} will be delivered on {date}."
    elif k == 3:
        a, b = (rng.randint(1, 10 ** rng.randint(1, 5)) for _ in range(2))
        op, sign, words_ = rng.choice((("add", "+", "plus"), ("multiply", "*", "times"), ("subtract", "-", "minus"), ("divide", "/", "divided by")))
        need.tool = Tool(op, {"add": "Given two numbers a and b. Returns the sum of them.", "multiply": "Multiply two numbers", "subtract": "Subtract b from a", "divide": "Divide a by b"}[op],
                         [("a", {"type": "number"}, True), ("b", {"type": "number"}, True)])
        need.request = rng.choice((f"What is {a} {words_} {b}?", f"{op.capitalize()} {a} and {b}." if op in ("add", "multiply") else f"Calculate {a} {sign} {b}.", f"What is {a} {sign} {b}?", f"Please compute {a} {sign} {b}"))
        need.arguments, need.topic = {"a": a, "b": b}, "two numbers"
        v = rng.randint(1, 99999)
        need.result, need.answer = json.dumps(v), f"The result is {v}."
    elif k == 4:
        n = rng.randint(2, 10 ** rng.randint(2, 6))
        need.tool = Tool(rng.choice(("isPrime", "is_prime", "check_prime")), "Given a number n. Returns true if n is a prime number.", [("n", {"type": "number"}, True)])
        need.request = rng.choice((f"Is {n} a prime number?", f"Is {n} prime?", f"Check whether {n} is prime."))
        need.arguments, need.topic = {"n": n}, "prime"
        v = rng.random() < 0.5
        need.result, need.answer = json.dumps(v), f"{'Yes' if v else 'No'}, {n} is {'' if v else 'not '}a prime number."
    elif k == 5:
        f, text = w.file_name(rng), _text(rng)[0]
        need.tool = Tool(rng.choice(("createFile", "create_file", "write_file")), "Create a file with the given name and content.", [("name", {"type": "string"}, True), ("content", {"type": "string"}, True)])
        need.request = rng.choice((f"Please create a file named {f} with the content \"{text}\"", f"Write \"{text}\" to a file called {f}.", f"Create the file {f} containing \"{text}\"."))
        need.arguments, need.topic = {"name": f, "content": text}, "file"
        need.result, need.answer = rng.choice(("File created.", "ok")), f"I created the file {f}."
    elif k == 6:
        q = rng.choice((w.full_name(rng), w.city(rng), "the " + rng.choice(w.NOUNS), w.made_up(rng).capitalize(), rng.choice(w.HOBBIES)))
        pname = rng.choice(("search_query", "query", "title"))
        need.tool = Tool(rng.choice(("fetch_wikipedia_content", "search_wikipedia", "wikipedia")), rng.choice(("Search wikipedia and fetch the introduction of the most relevant article. Always use this if the user is asking for something that is likely on wikipedia.", "Fetch an article from Wikipedia")),
                         [(pname, {"type": "string", "description": "Search query for finding the Wikipedia article"}, True)])
        need.request = rng.choice(("Tell me about {} from Wikipedia.", "What does Wikipedia say about {}?", "Look up {} on Wikipedia.", "Search Wikipedia for {}.")).format(q)
        need.arguments, need.topic = {pname: q}, "Wikipedia"
        text = w.sentence(rng)
        need.result, need.answer = json.dumps({"status": "success", "content": text, "title": q}) if rng.random() < 0.5 else text, text
    elif k == 7:
        need.tool = Tool(rng.choice(("get_current_time", "current_time", "now")), rng.choice(("Get the current time, only if asked", "Get the current time")), [])
        need.request = rng.choice(("What time is it?", "What's the time?", "Can you tell me the time?", "What time is it now?", "Is it late already? Tell me the time."))
        need.arguments, need.topic = {}, "time"
        t = w.clock(rng)
        need.result, need.answer = json.dumps({"time": t}), f"It is {t}."
    elif k == 8:
        path = w.folder(rng)
        need.tool = Tool(rng.choice(("analyze_directory", "list_directory", "count_files")), "Count and categorize files in a directory", [("path", {"type": "string", "description": "Directory path"}, rng.random() < 0.5)])
        need.request = rng.choice(("What files are in {}?", "Analyze the directory {}.", "How many files are in {}?")).format(path)
        need.arguments, need.topic = {"path": path}, "directory"
        n, ext = rng.randint(1, 90), rng.choice(("txt", "py", "md"))
        need.result, need.answer = json.dumps({"total": n, "most": ext}), f"There are {n} files in {path}, most of them {ext}."
    else:
        u = w.url(rng)
        need.tool = Tool(rng.choice(("open_safe_url", "open_url", "open_page")), "Open a URL in the browser if it is deemed safe", [("url", {"type": "string", "description": "The URL to open"}, True)])
        need.request = rng.choice(("Open {}.", "Please open {} for me.", "Can you open {} in the browser?")).format(u)
        need.arguments, need.topic = {"url": u}, "web page"
        need.result, need.answer = rng.choice(("opened", '{"status": "success"}')), f"I opened {u}."
    return need


def trained(rng):
    """A tool of the catalogue or of the documentation: kinds that the training has many dialogues of."""
    return catalogued(rng) if rng.random() < 0.75 else described(rng)


def any_tool(rng):
    """A tool that nobody has seen before."""
    return any_tools.need(rng) if rng.random() < 0.93 else generic(rng)


def need(rng):
    return trained(rng) if rng.random() < 0.66 else any_tool(rng)


def others(rng, count, *needs):
    """Tools that do not serve the needs, some of them near ones."""
    result, names, families = [], {n.tool.name for n in needs}, {n.family for n in needs}
    while len(result) < count:
        other = need(rng)
        if other.tool.name in names or other.family in families:
            continue
        if any(set(other.family.split()) & set(f.split()) for f in families):
            continue
        names.add(other.tool.name)
        result.append(other.tool)
    return result


def offered(rng, needs, extra):
    tools = list({n.tool.name: n.tool for n in needs}.values()) + others(rng, extra, *needs)
    rng.shuffle(tools)
    return [t.schema(rng) for t in tools]


SYSTEMS = ["You are a helpful assistant.", "You are a helpful customer support assistant. Use the supplied tools to assist the user.",
           "Use the tools when they help.", "You are an assistant with tools.", "You are a helpful assistant. Call a tool if one fits.",
           "You are Starter, a small assistant.", "Answer briefly. Use tools where they fit."]


def opening(rng):
    return [{"role": "system", "content": rng.choice(SYSTEMS)}] if rng.random() < 0.4 else []


def polite(rng, request):
    k = rng.random()
    if k < 0.1:
        return rng.choice(("Hi! ", "Hello. ", "Hey, ", "Good morning! ")) + request
    if k < 0.14:
        return request + rng.choice((" Thanks!", " Thank you."))
    return request


_SMALL = set("a an the to of on off up in for by my new all and or with at is now me it".split())


@functools.cache
def _verbs():
    return {v.split("_")[0] for v in [name for names, *_ in VERBS.values() for name in names] + [*VERBS, *_GENERIC_VERBS, *any_tools.VERBS]}


def _same_word(a, b):
    """Whether two words are one, but for an ending."""
    short, long = sorted((a, b), key=len)
    return long in (short, short + "s", short + "es") or (short[-1:] == "y" and long == short[:-1] + "ies")


def about(n):
    """What a request is about, in the words of its tool's name: all of them from the first one on that the request has too,
    so that the prompt has the same words before the name."""
    words = chat.words_of(n.tool.name).split()
    said = [x for x in re.split("[^a-z0-9é]+", n.request.lower()) if x and x not in _SMALL]
    topic = [x for x in n.topic.lower().split() if x not in _SMALL]
    for known in (topic, said):
        for i, word in enumerate(words):
            if (i or known is topic) and any(_same_word(word, x) for x in known):
                return " ".join(words[i:])
    return " ".join(words[1:] if len(words) > 1 and words[0] in _verbs() else words)


def thought_fit(rng, needs):
    """What it is about, which tool that is, and what of it is to be filled in."""
    lines = list(dict.fromkeys(f"This is about {about(n)} ({n.tool.name}{': ' if n.arguments else ''}{', '.join(n.arguments)})" for n in needs))
    return lines[0] + ", more than once" if len(lines) == 1 < len(needs) else "\n".join(lines)


def thought_none(rng, n, tools):
    return f"This is about {n.topic} (none)"


DECLINED = "I have no tool for that."


def decline_text(rng, n):
    return DECLINED


def call(n):
    return {"name": n.tool.name, "arguments": n.arguments}


def count_offered(rng):
    return rng.choices((0, 1, 2, 3, 4, 5, 7), (30, 26, 12, 18, 8, 4, 2))[0]


def single(rng):
    """One call, or, of 19 in 100, the same request without the tool that fits."""
    n = need(rng)
    extra = count_offered(rng)
    decline = rng.random() < 0.19
    messages = opening(rng) + [{"role": "user", "content": polite(rng, n.request)}]
    if decline:
        tools = [t.schema(rng) for t in others(rng, max(1, extra), n)]
        reply = {"role": "assistant", "content": decline_text(rng, n), "reasoning_content": thought_none(rng, n, tools)}
    else:
        tools = offered(rng, [n], extra)
        reply = {"role": "assistant", "content": "", "tool_calls": [call(n)], "reasoning_content": thought_fit(rng, [n])}
    return messages + [reply], tools


# Kinds of which several may be named in one request: "in Paris, Rome and Oslo".
_LISTED = set("""city country order_id invoice_id ticket_id code product ticker flight person username email phone topic file
url song medicine room server station animal language word food query tag plant doctor branch table account_id user_id
number_id street zodiac timezone""".split())
_LISTED_MAKERS = {KINDS[k][3] for k in _LISTED}
_UNLISTED = ('"', " and ", ",")


def parallel(rng, need=need):
    """Two to four calls at once: of one tool, or of several."""
    same = rng.random() < 0.5
    if same:
        needs = []
        while not needs:
            needs = _alike(rng)
        key = needs[0].listed
        request = needs[0].request.replace(str(needs[0].arguments[key]), w.join(n.arguments[key] for n in needs), 1)
    else:
        first = need(rng)
        needs, count = [first], rng.choice((2, 2, 2, 3))
        while len(needs) < count:
            other = need(rng)
            if other.tool.name not in {n.tool.name for n in needs} and other.family not in {n.family for n in needs}:
                needs.append(other)
        request = needs[0].request
        for n in needs[1:]:
            p, link = n.request, rng.choice((" Also: ", " And ", " Then ", " ", " "))
            request += ("" if request[-1] in ".?!" else ".") + link + (p[0].lower() + p[1:] if link in (" And ", " Then ") and not p.startswith(("I ", "I'")) else p)
    messages = opening(rng) + [{"role": "user", "content": polite(rng, request)}]
    tools = offered(rng, needs, rng.choice((0, 0, 1, 1, 2, 3)))
    reply = {"role": "assistant", "content": "", "tool_calls": [call(n) for n in needs], "reasoning_content": thought_fit(rng, needs)}
    return messages + [reply], tools


def many(rng):
    """Three to six different calls at once: more to learn from one list of tools."""
    needs = []
    count = rng.choice((3, 4, 5, 6))
    while len(needs) < count:
        n = need(rng)
        if n.tool.name not in {x.tool.name for x in needs} and not any(set(n.family.split()) & set(x.family.split()) for x in needs):
            needs.append(n)
    tools = offered(rng, needs, rng.choice((0, 1, 2)))
    messages = opening(rng) + [{"role": "user", "content": rng.choice((" ", "\n", "\n- ")).join(n.request for n in needs)}]
    return messages + [{"role": "assistant", "content": "", "tool_calls": [call(n) for n in needs], "reasoning_content": thought_fit(rng, needs)}], tools


_OPTIONS = [row for row in _TABLE if "?" in row[2] and len(row[2].split()) > 1]
_OPTIONS_OF = [2 ** row[2].count("?") for row in _OPTIONS]


def again(rng):
    """One tool, asked for several times with other options each: which parameters does a request give?"""
    obj, actions, params, value = rng.choices(_OPTIONS, _OPTIONS_OF)[0]
    n = _catalogued(rng, obj, rng.choice(actions.split()), params.split(), value, whole=True)
    fixed, optional = [c[0] for c in n.chosen if c[2]], [c[0] for c in n.chosen if not c[2]]
    sets = {tuple(optional)} | {tuple(name for name in optional if rng.random() < 0.5) for _ in range(8)}
    needs = [_asked_again(rng, n, {*fixed, *chosen}) for chosen in sorted(sets) if fixed or chosen]
    rng.shuffle(needs)
    needs = needs[:rng.choice((2, 3, 4, 5))]
    tools = offered(rng, [n], rng.choice((0, 0, 0, 1)))
    messages = opening(rng)
    if rng.random() < 0.5:
        messages += [{"role": "user", "content": rng.choice((" ", "\n", "\n- ")).join(x.request for x in needs)},
                     {"role": "assistant", "content": "", "tool_calls": [call(x) for x in needs], "reasoning_content": thought_fit(rng, needs)}]
        return messages, tools
    for x in needs:
        messages += [{"role": "user", "content": polite(rng, x.request)}, {"role": "assistant", "content": "", "tool_calls": [call(x)], "reasoning_content": thought_fit(rng, [x])},
                     {"role": "tool", "content": x.result}, {"role": "assistant", "content": x.answer}]
    return messages[:-2], tools


def _alike(rng):
    """The same need two to four times, with other values of one argument, of which people name several at once; or []."""
    n = catalogued(rng)
    keys = [k for k, kind in n.kinds.items() if kind[3] in _LISTED_MAKERS and isinstance(n.arguments[k], str)
            and n.request.count(n.arguments[k]) == 1 and f'"{n.arguments[k]}"' not in n.request]
    if not keys:
        return []
    key = rng.choice(keys)
    values, count = [n.arguments[key]], rng.choices((2, 3, 4), (60, 28, 12))[0]
    for _ in range(9):
        v = n.kinds[key][3](rng)[0]
        if len(values) < count and v not in values and v not in n.request:
            values.append(v)
    if len(values) < 2 or any(mark in v for v in values for mark in _UNLISTED):
        return []
    needs = []
    for v in values:
        other = Need()
        other.__dict__.update(n.__dict__)
        other.arguments, other.listed = {**n.arguments, key: v}, key
        needs.append(other)
    return needs


def answered(rng, need=need):
    """After one or several results: say what they say."""
    n = need(rng)
    while not n.answer:
        n = need(rng)
    needs = [n]
    if rng.random() < 0.2:
        other = need(rng)
        if other.tool.name != n.tool.name:
            needs.append(other)
    tools = offered(rng, needs, rng.choice((0, 0, 1, 2)))
    request = " ".join(x.request for x in needs)
    messages = opening(rng) + [{"role": "user", "content": polite(rng, request)}]
    messages.append({"role": "assistant", "content": "", "tool_calls": [call(x) for x in needs]})
    messages += [{"role": "tool", "content": x.result} for x in needs]
    messages.append({"role": "assistant", "content": " ".join(x.answer for x in needs), "reasoning_content": "The tool has answered. I tell the user."})
    if rng.random() < 0.25:
        second = need(rng)
        fits = rng.random() < 0.5
        if fits and all(second.tool.name != x.tool.name for x in needs):
            tools.append(second.tool.schema(rng))
            messages.append({"role": "user", "content": second.request})
            messages.append({"role": "assistant", "content": "", "tool_calls": [call(second)], "reasoning_content": thought_fit(rng, [second])})
        elif rng.random() < 0.5:
            messages.append({"role": "user", "content": rng.choice(("Thanks!", "Thank you.", "Great, thanks."))})
            messages.append({"role": "assistant", "content": rng.choice(("You're welcome!",)), "reasoning_content": "The user says thanks."})
    return messages, tools


def session(rng):
    """Several requests over one list of tools: the list is long, and is read once for all of them."""
    needs = []
    count = rng.choice((2, 3, 4, 5, 6))
    while len(needs) < count:
        n = need(rng)
        if n.answer and n.tool.name not in {x.tool.name for x in needs} and n.family not in {x.family for x in needs}:
            needs.append(n)
    last = needs[-1]
    missing = rng.random() < 0.3
    tools = offered(rng, needs[:-1] if missing else needs, rng.choice((0, 0, 1, 2)))
    if missing:
        tools = [t for t in tools if not set(last.family.split()) & set(t["function"]["name"].lower().replace("-", "_").split("_"))]
    messages = opening(rng)
    for n in needs[:-1]:
        messages.append({"role": "user", "content": polite(rng, n.request)})
        messages.append({"role": "assistant", "content": "", "tool_calls": [call(n)]})
        messages.append({"role": "tool", "content": n.result})
        messages.append({"role": "assistant", "content": n.answer})
    messages.append({"role": "user", "content": last.request})
    if missing:
        messages.append({"role": "assistant", "content": decline_text(rng, last), "reasoning_content": thought_none(rng, last, tools)})
    else:
        messages.append({"role": "assistant", "content": "", "tool_calls": [call(last)], "reasoning_content": thought_fit(rng, [last])})
    return messages, tools or None


def chained(rng):
    """Two calls, one after the other, the second with a value from the first one's result."""
    a, b = rng.randint(10, 99999), rng.randint(10, 99999)
    s = a + b
    add = Tool("add", "Given two numbers a and b. Returns the sum of them.", [("a", {"type": "number"}, True), ("b", {"type": "number"}, True)])
    prime = Tool(rng.choice(("isPrime", "is_prime")), "Given a number n. Returns true if n is a prime number.", [("n", {"type": "number"}, True)])
    tools = [t.schema(rng) for t in (add, prime)]
    yes = rng.random() < 0.5
    messages = [{"role": "user", "content": rng.choice(("Is the result of {} + {} prime?", "Is {} + {} prime? Think step by step.", "Is the sum of {} and {} a prime number?")).format(a, b)}]
    steps = [{"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": a, "b": b}}], "reasoning_content": "This is about add (add: a, b)"},
             {"role": "tool", "content": str(s)},
             {"role": "assistant", "content": "", "tool_calls": [{"name": prime.name, "arguments": {"n": s}}], "reasoning_content": f"The sum is {s}. This is about prime ({prime.name}: n)"},
             {"role": "tool", "content": "true" if yes else "false"},
             {"role": "assistant", "content": f"{'Yes' if yes else 'No'}, {s} is {'' if yes else 'not '}a prime number.", "reasoning_content": "The tool has answered. I tell the user."}]
    return messages + steps[:rng.choice((1, 3, 5))], tools
