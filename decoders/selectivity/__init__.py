"""What a piece of cortex responds to, said in words and in pictures."""
