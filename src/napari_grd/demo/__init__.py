"""A teacher, its distilled student and an undistilled one, trained and compared on the same images."""
