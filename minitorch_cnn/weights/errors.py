"""What everything that is wrong with a weight file is raised as."""


class WeightsError(ValueError):
    """A file that is no weight file, is damaged, or doesn't fit the model; the message names the file."""
