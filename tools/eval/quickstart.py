"""The requests of the documentation's first pages, with what a reader expects of the answers."""

import json

from skills import Item


def _tool(name, description, properties, required):
    return {"type": "function", "function": {"name": name, "description": description,
                                             "parameters": {"type": "object", "properties": properties, "required": required}}}


def _rhymes(answer):
    lines = [line.rstrip(" .,!?").lower() for line in answer.text.strip().splitlines() if line.strip()]
    return len(lines) >= 2 and any(a[-2:] == b[-2:] or a[-3:-1] == b[-3:-1] for a, b in zip(lines, lines[1:]))


def _joke(answer):
    try:
        value = json.loads(answer.text)
    except ValueError:
        return False
    return list(value) == ["joke"] and len(value["joke"]) > 20


def _call(name, arguments):
    return lambda answer: answer.calls == [(name, arguments)]


def _says(*words):
    return lambda answer: not answer.calls and all(word.lower() in answer.text.lower() for word in words)


JOKE = {"type": "object", "properties": {"joke": {"type": "string"}}, "required": ["joke"]}
DELIVERY = [_tool("get_delivery_date", "Get the delivery date for a customer's order", {"order_id": {"type": "string"}}, ["order_id"])]
PRODUCTS = [_tool("search_products", "Search the product catalog by various criteria. Use this whenever a customer asks about product availability, pricing, or specifications.",
                  {"query": {"type": "string", "description": "Search terms or product name"},
                   "category": {"type": "string", "description": "Product category to filter by", "enum": ["electronics", "clothing", "home", "outdoor"]},
                   "max_price": {"type": "number", "description": "Maximum price in dollars"}}, ["query"])]
HELLO = [_tool("say_hello", "Says hello to a person", {"name": {"type": "string", "description": "The person's name"}}, ["name"])]
WEATHER = [_tool("get_weather", "Get the current weather", {"city": {"type": "string"}}, ["city"])]


def user(text, system=None):
    return ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": text}]


def items():
    """[(name, Item)]"""
    color = [{"role": "user", "content": "My favorite color is blue."}, {"role": "assistant", "content": "I will remember that."}]
    delivered = user("Hi, can you tell me the delivery date for my order? My order number is 1017")
    delivered += [{"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "get_delivery_date", "arguments": "{\"order_id\": \"1017\"}"}}]},
                  {"role": "tool", "tool_call_id": "1", "content": "{\"order_id\": \"1017\", \"delivery_date\": \"2026-03-14\"}"}]
    return [
        ("hello", Item(user("Hello! Who are you?"), None, _says("Starter"))),
        ("rhymes, introduce", Item(user("Introduce yourself.", "Always answer in rhymes."), None, _rhymes)),
        ("rhymes, day", Item(user("What day is it today?", "Always answer in rhymes. Today is Thursday"), None, lambda a: _rhymes(a) and "Thursday" in a.text)),
        ("joke schema", Item(user("Tell me a joke.", "You are a helpful jokester. Answer in JSON that fits this schema:\n" + json.dumps(JOKE)), None, _joke)),
        ("delivery date", Item(user("Hi, can you tell me the delivery date for my order? My order number is 1017", "You are a helpful customer support assistant. Use the supplied tools to assist the user."),
                               DELIVERY, _call("get_delivery_date", {"order_id": "1017"}))),
        ("delivery date, one line", Item(user("Give me the delivery date and time for order number 1017"), DELIVERY, _call("get_delivery_date", {"order_id": "1017"}))),
        ("delivery date, result", Item(delivered, DELIVERY, _says("2026-03-14"))),
        ("search_products", Item(user("What dell products do you have under $50 in electronics?"), PRODUCTS, _call("search_products", {"query": "dell", "category": "electronics", "max_price": 50}))),
        ("say_hello", Item(user("Can you say hello to Bob the Builder?"), HELLO, _call("say_hello", {"name": "Bob the Builder"}))),
        ("favourite colour", Item(color + user("What color did I just mention?"), None, _says("blue"))),
        ("prime, then multiply", Item(user("Provide a prime number less than 50") + [{"role": "assistant", "content": "47"}] + user("Multiply it by 2"), None, _says("94"))),
        ("capital", Item(user("What is the capital of France?"), None, _says("Paris"))),
        ("weather", Item(user("What is the weather in Paris?"), WEATHER, _call("get_weather", {"city": "Paris"}))),
        ("no fitting tool", Item(user("What is the capital of France?"), WEATHER, _says("Paris"))),
        ("meaning of life", Item(user("What is the meaning of life?"), None, lambda a: a.ended and len(a.text) > 10)),
    ]
