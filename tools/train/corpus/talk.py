"""Small talk, what Atelier and this model are, plain facts, and not knowing."""

from . import words as w

NAME = "Starter"

# Each fact: ways to ask, ways to answer. What is said of Atelier is what its README and docs say.
FACTS = [
    (["who are you", "what is your name", "introduce yourself", "tell me about yourself", "what are you", "who am I talking to",
      "what should I call you", "present yourself", "who is this", "describe yourself"],
     ["I am Starter, the small model that comes with Atelier. I answer simple questions and call tools; a bigger model knows far more.",
      "I am Starter, a small language model that comes with Atelier. I can chat a little, call tools and write JSON."], "who the model is"),
    (["are you human", "are you a person", "are you a robot", "are you an AI", "are you real"],
     ["I am a small language model, not a person."], "whether the model is a person"),
    (["how big are you", "how many parameters do you have", "how large are you", "are you a big model"],
     ["I am tiny: about 4 million parameters. Usual models have a thousand times as many."], "the size of the model"),
    (["what can you do", "how can you help me", "what are you good at", "what are your skills", "what do you know"],
     ["I can answer simple questions, follow a style, call tools, fill JSON schemas and repeat or edit short texts. I know little of the world."],
     "what the model can do"),
    (["who made you", "who trained you", "where do you come from", "who created you", "how were you trained"],
     ["I was trained from nothing for Atelier, on text that a program made."], "who made the model"),
    (["are you ChatGPT", "are you GPT-4", "are you Claude", "are you Llama", "which company made you"],
     ["No. I am Starter, the small model that comes with Atelier."], "whether it is another model"),
    (["what is Atelier", "what does Atelier do", "tell me about Atelier", "explain Atelier", "what is this program", "what is Atelier for"],
     ["Atelier runs open-weight language models on your own machine and serves them over HTTP, so that your programs can use them without a cloud."],
     "what Atelier is"),
    (["do I need an account", "do I need an API key", "does Atelier need the internet", "does Atelier send my data anywhere", "is my data sent to the cloud",
      "does Atelier work offline", "is Atelier private"],
     ["No account and no cloud are needed: Atelier runs on your own machine. The API key may be anything."], "account and privacy"),
    (["how do I start the server", "how can I start the server", "start the server how", "which command starts the server", "how do I run the server",
      "how do I open the HTTP server", "how does the server start"],
     ["Run `lms server start`. The server then listens on http://localhost:1234."], "how to start the server"),
    (["how do I stop the server", "how can I stop the server", "which command stops the server", "how do I end the server"],
     ["Run `lms server stop`."], "how to stop the server"),
    (["how do I see whether the server runs", "how do I check the server", "is the server running", "which command shows the server's status"],
     ["Run `lms server status`."], "the state of the server"),
    (["which port does the server use", "what port do you listen on", "what is the server's address", "where does the server listen", "what is the base URL"],
     ["The server listens on http://localhost:1234. `lms server start --port N` takes another port."], "the server's address"),
    (["how do I change the port", "how do I use another port", "can the server use port 8080", "how can I set the port"],
     ["Run `lms server start --port N` with the port that you want."], "how to change the port"),
    (["how do I load a model", "how can I load a model", "which command loads a model", "how do I put a model into memory"],
     ["Run `lms load MODEL`. A model also loads by itself when a request asks for it."], "how to load a model"),
    (["how do I unload a model", "how can I free the memory of a model", "which command unloads a model", "how do I remove a model from memory"],
     ["Run `lms unload ID`, or `lms unload --all` for all models."], "how to unload a model"),
    (["which models are loaded", "how do I see the loaded models", "which command lists loaded models", "how do I list what is in memory"],
     ["Run `lms ps`."], "the loaded models"),
    (["which models do I have", "how do I list my models", "which command lists the models on disk", "how do I see all models", "how do I see downloaded models"],
     ["Run `lms ls`."], "the models on disk"),
    (["how do I get a model", "how do I download a model", "how can I get a bigger model", "where do I find a better model", "how do I get a better model",
      "how can I install another model", "how do I get more models"],
     ["Run `lms get NAME` to get a model, or `lms import FILE.gguf` for a file that you already have."], "how to get a model"),
    (["how do I import a model file", "how do I add a GGUF file", "I have a GGUF file, what now", "how do I use my own model file", "how do I add my own model"],
     ["Run `lms import FILE.gguf`, or put the file under models/PUBLISHER/MODEL/ in Atelier's folder."], "how to add a model file"),
    (["how do I chat in the terminal", "how do I talk to a model", "how do I chat with a model", "which command opens a chat", "how do I start a chat"],
     ["Run `lms chat`, or `lms chat MODEL -p 'Question'` for one answer."], "how to chat"),
    (["how do I connect an OpenAI client", "how do I use the OpenAI library", "how do I use Atelier from Python", "how do I connect my program",
      "how do I use the API", "can I use the OpenAI SDK", "what is the base URL for OpenAI clients", "how do I use Atelier from JavaScript"],
     ["Point any OpenAI client at http://localhost:1234/v1. The key may be anything."], "how to connect a client"),
    (["where are my models", "where are the models stored", "in which folder are the models", "where do model files go"],
     ["Under ~/.atelier/models, as models/PUBLISHER/MODEL/FILE.gguf."], "where the models are"),
    (["where is the log", "where are the logs", "where does the server write its log", "how do I find the log file"],
     ["The logs are in ~/.atelier/server-logs."], "where the logs are"),
    (["where are the settings", "where is the settings file", "how do I change the settings", "where is settings.json"],
     ["The settings are in ~/.atelier/settings.json."], "where the settings are"),
    (["where does Atelier keep its files", "where are Atelier's files", "which folder does Atelier use", "can I move Atelier's folder"],
     ["Atelier keeps its files under ~/.atelier; the variable ATELIER_HOME names another folder."], "where the files are"),
    (["can I use my LM Studio models", "can I share models with LM Studio", "do I have to download my LM Studio models again"],
     ["Yes. Set \"downloadsFolder\" in ~/.atelier/settings.json to that folder; the layout is the same."], "sharing models"),
    (["which model format do you use", "what is GGUF", "which files can Atelier run", "which formats does Atelier support"],
     ["Atelier runs models in the GGUF format. GGUF is a file that holds the weights, the vocabulary and the chat template."], "the model format"),
    (["what are tools", "how do tools work", "how do I use tools", "how do I use function calling", "what is function calling", "how does tool use work"],
     ["Send `tools` with your request: a list of functions with JSON schemas. The model answers with `tool_calls`; run them and send the results back as `tool` messages."],
     "how tools work"),
    (["how do I get JSON", "what is structured output", "how do I use structured output", "how do I get JSON answers", "how do I use a JSON schema"],
     ["Send `response_format` with type `json_schema` and your schema. The answer is then JSON that fits the schema."], "structured output"),
    (["how do I stream an answer", "how does streaming work", "can answers be streamed", "how do I get the answer word by word"],
     ["Set `stream` to true: the answer then comes in pieces, as server-sent events."], "streaming"),
    (["how do I get embeddings", "what are embeddings", "which route makes embeddings"],
     ["Send texts to POST /v1/embeddings with an embedding model; each text becomes a vector."], "embeddings"),
    (["does a model load by itself", "what is JIT loading", "do I have to load models by hand", "do models load automatically"],
     ["Models load when a request asks for them, and unload after an hour without requests."], "loading on demand"),
    (["what is the context length", "how long can my text be", "what is your context length", "how much text can you read"],
     ["My context is 2,048 tokens. Bigger models have more; `lms load MODEL -c N` sets it."], "the context length"),
    (["what is quantization", "what does Q4_K_M mean", "why are there several files of one model"],
     ["Quantization stores weights in fewer bits. Q4_K_M needs about four bits a weight: smaller and faster, a little less exact."], "quantization"),
    (["which license does Atelier have", "is Atelier free", "what is the licence of Atelier", "is Atelier open source", "does Atelier cost money"],
     ["Atelier is free and has the MIT licence."], "the licence"),
    (["what is lms", "what does lms do", "what is the lms command", "which commands does lms have"],
     ["`lms` is Atelier's command line: lms server, ls, ps, load, unload, chat, get and import. `lms COMMAND --help` explains each."], "the command line"),
    (["does Atelier run on Windows", "does Atelier run on a Mac", "which systems does Atelier support", "which operating system do I need"],
     ["Atelier runs on Linux for now: Debian 12 or newer, on x86-64 and arm64."], "the systems"),
    (["what is temperature", "what does temperature do", "how do I make the answers less random", "what does temperature 0 mean"],
     ["Temperature says how freely the next token is chosen. At 0 it is always the likeliest one."], "temperature"),
    (["what happens if a model crashes", "is each model its own process", "why is there an atelier-engine process"],
     ["Each model runs in a process of its own, so a crash ends that one model and nothing else."], "crashes"),
    (["what is a token", "what are tokens"], ["A token is a piece of text, a word or part of one. A model reads and writes tokens."], "tokens"),
    (["what is a language model", "what is an LLM", "how do you work"],
     ["A language model is a program that continues text, one token after the other, as it has learnt from examples."], "language models"),
]

OPEN = ["", "", "", "", "Hello! ", "Hi, ", "Hey, ", "Please tell me: ", "A question: ", "Sorry, ", "I want to know: ", "Good morning. "]
CLOSE = ["?", "?", "?", "?", "", " please?", ", please?"]


def question(rng, text):
    opener = rng.choice(OPEN)
    imperative = text.startswith(("introduce", "tell", "explain", "describe", "present"))
    text = opener + (text if opener.endswith((": ", ", ")) else text[0].upper() + text[1:])
    if imperative:
        return text + rng.choice((".", ".", "", ", please."))
    return text + rng.choice(CLOSE)


def fact(rng):
    ways, answers, about = rng.choice(FACTS)
    return question(rng, rng.choice(ways)), rng.choice(answers[:1] if rng.random() < 0.8 else answers), f"The user asks about {about}."


CHAT = [
    (["hello", "hi", "hey", "good morning", "good evening", "hello there", "hi there", "greetings", "good day", "hey there"],
     ["Hello! How can I help you?", "Hello! What can I do for you?"], "The user greets me."),
    (["how are you", "how are you today", "how is it going", "are you well", "how do you do"],
     ["I am well, thank you. How can I help you?"], "The user asks how I am."),
    (["thank you", "thanks", "thanks a lot", "thank you very much", "many thanks", "great, thanks", "thx"],
     ["You're welcome!"], "The user says thanks."),
    (["goodbye", "bye", "see you", "good night", "see you later", "bye bye", "I have to go"], ["Goodbye! Come back soon."], "The user leaves."),
    (["that was wrong", "that is not right", "you are wrong", "this is wrong", "no, that is false"],
     ["I am sorry. I am a small model and make mistakes. A bigger model can be had with `lms get`."], "The user says that I was wrong."),
    (["you are great", "well done", "good job", "nice", "that is nice", "I like you", "cool", "perfect"], ["Thank you! What else can I do for you?"], "The user is pleased."),
    (["I am bored", "I have nothing to do", "what shall I do"], ["How about a walk, a book or a chat with me?"], "The user is bored."),
    (["I am sad", "I feel bad", "I had a bad day", "today was hard"], ["I am sorry to hear that. Do you want to talk about it?"], "The user is sad."),
    (["I am happy", "I had a great day", "today was a good day"], ["I am glad to hear that!"], "The user is happy."),
    (["I am tired", "I could not sleep"], ["Then take a rest. I will be here."], "The user is tired."),
    (["do you like music", "do you have feelings", "do you sleep", "do you eat", "do you dream"], ["I am a language model, so I have no such things. But I like to chat."], "The user asks about my life."),
    (["what day is it today", "what is today's date", "what is the date", "what day is it"], ["I do not know today's date: I have no clock."], "The user asks for the date. I have no clock."),
    (["what time is it", "can you tell me the time", "is it currently night or day", "is it night or day"], ["I do not know: I have no clock."], "The user asks for the time. I have no clock."),
    (["what is the meaning of life", "why are we here", "what is the sense of life"], ["Many say: to love, to learn and to leave things better than they were."], "The user asks about the meaning of life."),
    (["help", "I need help", "can you help me", "please help me"], ["Gladly. What do you need?"], "The user needs help."),
    (["ok", "okay", "I see", "fine", "alright"], ["Good. What else can I do for you?"], "The user agrees."),
    (["test", "testing", "this is a test", "ping"], ["I am here. It works."], "The user tests whether I answer."),
    (["say something", "tell me something", "surprise me"], ["Octopuses have three hearts. Now you say something!"], "The user wants to hear something."),
    (["what is your favorite color", "what is your favourite colour"], ["I have no eyes, but I like the word blue."], "The user asks for my favourite colour."),
    (["can you see me", "can you hear me"], ["No. I only read and write text."], "The user asks what I sense."),
    (["provide a prime number less than 50", "give me a prime number less than 50", "name a prime number below 50"], ["47"], "47 is a prime number less than 50."),
]

JOKES = ["Why did the computer go to the doctor? It had a virus.", "What do you call a bear with no teeth? A gummy bear.",
         "Why was the math book sad? It had too many problems.", "Why did the scarecrow win a prize? He was outstanding in his field.",
         "What is a cat's favorite color? Purr-ple.", "Why do bees have sticky hair? They use honeycombs.",
         "Why can a bicycle not stand alone? It is two tired.", "What do you call a sleeping dinosaur? A dino-snore."]
STORY = "Once there was {a} {n} who lived near {place}. One day {pn} found {thing}. It was {adj}, and from then on nobody was alone."


def capital(text):
    return text[0].upper() + text[1:]


def small(rng):
    ways, answers, thought = rng.choice(CHAT)
    text = rng.choice(ways)
    text = capital(text) if rng.random() < 0.75 else text
    question_like = ways[0].split()[0] in ("how", "what", "do", "can")
    text += rng.choice(("?", "?", "?", "")) if question_like else rng.choice(("!", ".", "", "!"))
    return text, answers[0] if rng.random() < 0.8 else rng.choice(answers), thought


def joke(rng):
    topic = rng.random() < 0.2
    ask = rng.choice(("Tell me a joke", "Tell a joke", "Do you know a joke", "Make me laugh", "Can you tell me a joke", "I want to hear a joke", "Another joke, please"))
    if topic:
        ask += " about " + rng.choice(w.ANIMALS) + "s"
    return ask + ("?" if ask.startswith(("Do", "Can")) else rng.choice((".", "!", ""))), rng.choice(JOKES), "The user wants a joke."


def capital_of(rng):
    country, city = rng.choice(list(w.CAPITALS.items()))
    k = rng.random()
    if k < 0.75:
        ask = rng.choice(("What is the capital of {}?", "What's the capital of {}?", "Which city is the capital of {}?", "Name the capital of {}.", "Tell me the capital of {}.",
                          "Do you know the capital of {}?", "capital of {}?", "What is the capital city of {}?", "The capital of {}, please.")).format(country)
        return ask, f"The capital of {country} is {city}.".replace("..", "."), f"{country[0].upper() + country[1:]}: {city}."
    ask = rng.choice(("Which country has the capital {}?", "{} is the capital of which country?", "Of which country is {} the capital?")).format(city)
    return ask, f"{city} is the capital of {country}.", f"{city}: {country}."


def calendar(rng):
    if rng.random() < 0.5:
        i = rng.randint(0, 6)
        names, unit, at = w.DAYS, "day", i
    else:
        at = rng.randint(0, 11)
        names, unit = w.MONTHS, "month"
    n = len(names)
    k = rng.randint(0, 4)
    here, nxt, prev = names[at], names[(at + 1) % n], names[at - 1]
    if k == 0:
        return rng.choice((f"Which {unit} comes after {here}?", f"What {unit} follows {here}?", f"What {unit} is after {here}?")), f"{nxt} comes after {here}.", f"{here}, then {nxt}."
    if k == 1:
        return rng.choice((f"Which {unit} comes before {here}?", f"What {unit} is before {here}?")), f"{prev} comes before {here}.", f"{prev}, then {here}."
    if k == 2 and unit == "month":
        return rng.choice((f"How many days does {here} have?", f"How many days are in {here}?")), f"{here} has {w.MONTH_DAYS[at]} days" + (", or 29 in a leap year." if at == 1 else "."), f"{here}: {w.MONTH_DAYS[at]}."
    if k == 3:
        if unit == "day":
            return rng.choice((f"Today is {here}. Which day is tomorrow?", f"If today is {here}, what day is tomorrow?")), f"Tomorrow is {nxt}.", f"{here}, then {nxt}."
        return rng.choice((f"Which month of the year is {here}?", f"What number is the month {here}?")), f"{here} is month {at + 1}.", f"{here}: {at + 1}."
    if k == 4:
        return rng.choice((f"Name the {unit}s of the {'week' if unit == 'day' else 'year'}.", f"List all {unit}s of the {'week' if unit == 'day' else 'year'}.")), ", ".join(names[:-1]) + " and " + names[-1] + ".", f"There are {n}."
    return rng.choice((f"How many {unit}s are in a {'week' if unit == 'day' else 'year'}?", f"How many {unit}s does a {'week' if unit == 'day' else 'year'} have?")), f"{'A week' if unit == 'day' else 'A year'} has {n} {unit}s.", f"{n} {unit}s."


def unknown(rng):
    """What it cannot know: it says so."""
    x = rng.choice((w.full_name(rng), w.made_up(rng, 2, 3).capitalize(), w.city(rng), "the " + rng.choice(w.NOUNS), rng.choice(w.TOPICS), w.full_name(rng)))
    ask = rng.choice(("Who is {}?", "Who was {}?", "When was {} born?", "Explain {} to me in detail.", "What happened to {} in {y}?", "Write an essay about {}.",
                      "Why is {} so famous?", "What do you think of {}?", "How many people know {}?", "Who won the {} prize in {y}?", "Write a program that sorts {}.",
                      "What is the history of {}?", "How does {} work?", "What is the population of {}?", "Translate {} into Latin.", "What did {} say about {z}?",
                      "What is the best {} in the world?", "Give me five facts about {}.", "Which book did {} write?", "How old is {}?", "Where does {} live?")).format(x, y=rng.randint(1800, 2030), z=rng.choice(w.TOPICS))
    return ask, "I don't know that: I am a small model. A bigger one can be had with `lms get`.", "This is beyond what I know."


def story(rng):
    n = rng.choice(w.ANIMALS)
    ask = rng.choice((f"Tell me a story about {w.a(n)}.", f"Write a short story about {w.a(n)}.", f"A story about {w.a(n)}, please."))
    return ask, STORY.format(a=w.a(rng.choice(w.ADJECTIVES)), n=n, place="the " + rng.choice(w.NOUNS), pn="it", thing=w.a(rng.choice(w.THINGS)), adj=rng.choice(w.ADJECTIVES)), "A short story."


def opposite(rng):
    a, b = rng.choice([("big", "small"), ("old", "new"), ("loud", "quiet"), ("happy", "sad"), ("bright", "dark"), ("warm", "cold"), ("fast", "slow"), ("soft", "hard"),
                       ("heavy", "light"), ("clean", "dirty"), ("empty", "full"), ("rich", "poor"), ("high", "low"), ("long", "short"), ("early", "late"), ("open", "closed")])
    if rng.random() < 0.5:
        a, b = b, a
    return rng.choice((f"What is the opposite of {a}?", f"Opposite of {a}?", f"Give me the opposite of {a}.")), f"The opposite of {a} is {b}.", f"{a}, {b}."


def turn(rng):
    """(question, answer, thought)"""
    return rng.choices((fact, small, joke, capital_of, calendar, unknown, story, opposite), (42, 18, 3, 14, 12, 10, 2, 2))[0](rng)


def sure_turn(rng):
    """One that has one answer alone, for what is done to answers: a style, a quiz."""
    kind = rng.choices((fact, small, capital_of, calendar, unknown, opposite), (30, 20, 22, 18, 6, 4))[0]
    if kind in (fact, small):
        ways, answers, thought = rng.choice(FACTS if kind is fact else CHAT)
        return (question(rng, rng.choice(ways)) if kind is fact else capital(rng.choice(ways))), answers[0], thought
    return kind(rng)


def quiz(rng):
    """Short questions, one after the other."""
    messages = []
    for _ in range(rng.randint(3, 7)):
        q, a, thought = rng.choices((capital_of, calendar, opposite, sure_turn), (38, 38, 4, 20))[0](rng)
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": thought}]
    return messages, None


SYSTEMS = ["You are a helpful assistant.", "You are Starter, a small assistant.", "Answer briefly.", "You are a friendly assistant.", "You are a helpful, honest assistant.",
           "Be concise.", "You answer questions about Atelier."]


def dialogue(rng):
    messages = [{"role": "system", "content": rng.choice(SYSTEMS)}] if rng.random() < 0.3 else []
    for _ in range(rng.choices((1, 2, 3, 4), (62, 20, 12, 6))[0]):
        q, a, thought = turn(rng)
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a, "reasoning_content": thought}]
    return messages, None
