"""`milepost doctor`: whether an installation is as it should be, found out without changing it."""
