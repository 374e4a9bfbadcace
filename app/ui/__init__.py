"""The pages that a person looks at: server-rendered, read only, over the services that the API has.

`door.py` stands before the web and is all that is loaded before the first page is asked for.
"""
