-- Which worker of the server began a step's last try.
ALTER TABLE steps ADD COLUMN worker text;
