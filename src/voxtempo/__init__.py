"""VoxTempo."""
