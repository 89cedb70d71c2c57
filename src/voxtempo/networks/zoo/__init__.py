"""The zoo: one file an architecture family. Importing it loads no framework; building a network does."""
