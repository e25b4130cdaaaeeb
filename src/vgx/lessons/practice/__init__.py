"""The page on how to use the book: a lab to practise on, with every kind of control."""
