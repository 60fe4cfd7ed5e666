"""Files that Python's csv module writes, and hand-made ugly ones, must read the same by our tokenizer as by Python's."""
import csv
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile

DUMP = sys.argv[1]
csv.field_size_limit(1 << 30)
random.seed(20260131)
PIECES = ["", "a", "b c", '"', '""', ",", ";", "\t", "\n", "\r\n", "\r", "우동", "🍜", "x" * 300, "'", "\\", " ", "0", "NULL"]


def dump(path, delimiter):
    run = subprocess.run([DUMP, path, delimiter], capture_output=True, text=True)
    if run.returncode != 0:
        return None, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()], ""


def check(name, content, delimiter, folder):
    path = pathlib.Path(folder) / "file.csv"
    path.write_bytes(content.encode())
    expected = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True))
    got, error = dump(path, delimiter)
    assert got is not None, f"{name}: {error}\n{content!r}"
    # Python's reader gives [] for an empty line, ours one empty unquoted field.
    texts = [[] if record == [["", False]] else [text for text, _ in record] for record in got]
    expected = [[] if record == [""] and not any(quoted for _, quoted in g) else record for record, g in zip(expected, got)] \
        + expected[len(got):]
    assert texts == expected, f"{name}: {content!r}\n ours   {texts}\n theirs {expected}"


def main():
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(400):
            delimiter = random.choice(",;\t|")
            out = io.StringIO(newline="")
            writer = csv.writer(out, delimiter=delimiter, lineterminator=random.choice(["\n", "\r\n", "\r"]),
                                quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
            for _ in range(random.randrange(12)):
                writer.writerow(["".join(random.choices(PIECES, k=random.randrange(4))) for _ in range(random.randrange(1, 6))])
            content = out.getvalue()
            if content and random.random() < 0.3:
                content = content.rstrip("\r\n") if not content.endswith('"') else content
            check("written", content, delimiter, folder)
            checked += 1
        # Records that cross the tokenizer's blocks at every offset.
        filler = '"' + "가" * 100 + '""\n",b\r\n'
        check("blocks", filler * 12000, ",", folder)
        for cut in range(0, 8):
            check("cut", "x" * ((1 << 20) - 300 + cut) + "\r\n" + '"a""b","c\r\n"\r\nlast,"' + "y" * 400 + '"', ",", folder)
            checked += 1
    print(f"{checked} files read alike")


main()
