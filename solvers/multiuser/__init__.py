"""Decision tables for one user whose network moves (RAP) and joint cuts and shares for many
(JM-MPRA).
"""
