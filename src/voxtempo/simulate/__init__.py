"""Cohorts with known truth: anatomy, haemodynamics, drift, motion and noise, written as BIDS with their study files.

``simulations`` holds one dataclass a kind; its fields are the options, and ``write`` makes the cohort.
"""

from voxtempo.simulate.simulation import Simulation, simulation, simulations

__all__ = ["Simulation", "simulation", "simulations"]
