"""The sections of a study file, one a module."""
