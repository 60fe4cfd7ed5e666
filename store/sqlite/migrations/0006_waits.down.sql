-- Lost: questions with their answers, and what tries without a process wait for: those begin anew. An older program does
-- not know the event `asked`, and would read no list in which it stands.
DELETE FROM notification WHERE event = 'asked';
DROP TABLE deferral;
DROP TABLE question;
