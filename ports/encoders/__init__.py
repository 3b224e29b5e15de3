"""Encoders of mlx-vlm and mlx-audio against those of transformers: of speech, of images and of text, and codecs."""

from ports.encoders import codecs, conformers, speech, text, vision

PAIRS = [one.pair() for subject in (speech, conformers, vision, text, codecs) for one in subject.PAIRS]
