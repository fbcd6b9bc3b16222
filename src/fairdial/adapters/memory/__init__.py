"""In-process doubles that keep the ports' promises: for tests of the flow and simulators."""
