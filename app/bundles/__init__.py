"""What a plan was made of, handed out whole: whoever has it can make the plan again."""
