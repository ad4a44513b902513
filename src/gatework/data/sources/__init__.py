"""Readers: sequences out of files, frames, folders and lists."""
