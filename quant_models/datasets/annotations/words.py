"""What the readers of label files say alike."""

#: What to do about a label file that is damaged.
AGAIN = "fetch the file again, or correct it"
