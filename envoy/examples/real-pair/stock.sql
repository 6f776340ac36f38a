-- A parts store, as its clerks would keep it: keys with a slash or a dot in them, prices with a fraction, a table for each year.
-- Made by rule, so that every instance serves the same.

CREATE TABLE parts (code TEXT PRIMARY KEY, name TEXT NOT NULL, material TEXT, price REAL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, part TEXT REFERENCES parts(code), quantity INTEGER, placed TEXT, note TEXT);
CREATE TABLE "prices.2022" (id INTEGER PRIMARY KEY, part TEXT, price REAL);

INSERT INTO parts VALUES
  ('bolt/M6', 'Bolt M6', 'steel', 0.4),
  ('bolt/M8', 'Bolt M8', 'steel', 0.55),
  ('cable-3', 'Cable 3 m', 'copper', 12.5),
  ('gasket', 'Gasket', 'rubber', 1.0),
  ('nut.M6', 'Nut M6', 'brass', 0.2);

WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 120)
INSERT INTO parts
SELECT 'washer-' || n, 'Washer ' || n, CASE n % 3 WHEN 0 THEN 'steel' WHEN 1 THEN 'brass' ELSE 'nylon' END,
       (n * 37 % 500) / 10.0 + 0.25
FROM number;

WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 600)
INSERT INTO orders
SELECT n, CASE n % 5 WHEN 0 THEN 'bolt/M6' WHEN 1 THEN 'nut.M6' ELSE 'washer-' || (n % 120 + 1) END, n % 9 + 1,
       date('2022-01-01', '+' || (n % 300) || ' days'), CASE WHEN n % 4 = 0 THEN 'express' END
FROM number;

INSERT INTO "prices.2022" SELECT id, part, quantity * 0.9 FROM orders WHERE id < 50;
