-- Lost: what is still to be told to people, and what has become of what was told.
DROP TABLE notification;
