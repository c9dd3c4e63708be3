"""Who: people, what they do, and the segments that they enter and leave."""
