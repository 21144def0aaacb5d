"""The training text: dialogues made from templates, seeded. mix.dialogue(rng) gives one."""
