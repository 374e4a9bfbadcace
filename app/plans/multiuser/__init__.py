"""Plans of the multi-user family: shares and cuts for many (multi-user), decision tables for each
(adaptive).
"""
