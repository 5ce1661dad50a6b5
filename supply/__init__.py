"""What Milepost is made of: its bill of materials, and whether any of that is known to be vulnerable."""
