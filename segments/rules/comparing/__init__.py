"""What comparisons there are, by what they are about: texts, numbers, dates, lists."""
