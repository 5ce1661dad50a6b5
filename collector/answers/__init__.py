"""What the routes answer when all is well: the shapes of their JSON, a module for each resource.

They describe, and check nothing: answers are made as they are, in the fewest steps, and tests hold every answer they
get against its shape. Each module says in ANSWERS which route answers which of its shapes.
"""
