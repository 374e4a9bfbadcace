"""Why a user of a plan has the cut it has."""
