"""Our templates against Jinja2's own: the same text, or an error from both.

usage: differential.py PROBE [--seed N] [--count N]

PROBE is the template_probe program. Hand-picked templates first, then generated ones; a difference prints the
template, its context and both answers, and the exit code is 1.
"""
import argparse
import copy
import json
import random
import subprocess
import sys
import warnings

import jinja2

CONTEXT = {
    "ds": "2026-01-31", "ts": "2026-01-31T00:00:00+00:00", "n": 7, "zero": 0, "neg": -3, "big": 123456789012,
    "f": 2.5, "g": -0.125, "whole": 3.0, "s": "Hello, World", "empty": "", "korean": "우동 시장 한 그릇",
    "lines": "one\ntwo\n\nthree", "padded": "  a b  ", "quote": "it's \"so\"", "t": True, "fa": False, "nil": None,
    "html": "<a href='x'>&</a>", "l": [3, 1, 2], "names": ["beta", "Alpha", "gamma", "alpha"], "mixed": [1, "a", None],
    "el": [], "nested": [[1, 2], [3, [4, 5]]], "floats": [1.5, 2.0, -3.25],
    "d": {"a": 1, "b": 2, "c": {"x": [10, 20]}}, "ed": {}, "numeric": "42", "real": "3.75", "hexa": "ff",
    "rows": [{"name": "orders", "rows": 5, "tags": ["x"]}, {"name": "Users", "rows": 3, "tags": []},
             {"name": "items", "rows": 5, "tags": ["y", "z"]}],
    "params": {"lake": "s3://udon-lake", "limit": 10, "tables": ["orders", "users"]},
}

HAND = r"""
{{ ds }}
{{ ds.replace('-', '') }}
{{ ds[:4] }}/{{ ds[5:7] }}/{{ ds[-2:] }}
{{ ds.split('-') }}
{{ ds.split('-')[0] }}
{{ '%s/%s' | format(ds, n) }}
{{ "{}-{:03d}".format(ds, n) }}
{{ "{:>10}|{:<8}|{:^9}|".format('a', 'b', 'c') }}
{{ "{0} {1} {0}".format(1, 2) }}
{{ "{name!r} {n:05.1f}".format(name='x', n=f) }}
{{ "{:,} {:_} {:+d} {:x} {:#x} {:b} {:o} {:e} {:g} {:%}".format(big, big, n, 255, 255, 5, 8, f, f, f) }}
{{ "{:{}}".format('x', 5) }}
{{ "%5d|%-5d|%05d|%+d|%x|%X|%o|%e|%g|%.3f|%s|%r|%%|%c" % (n, n, n, n, 255, 255, 8, f, f, f, s, s, 'c') }}
{{ "%(a)s %(b)05.2f" % {'a': 1, 'b': f} }}
{{ "%(a)s" | format(a=3) }}
{{ "%s" % s }}
{{ "%s %s" % (1,) }}
{{ "%d" % "x" }}
{{ "%" }}
{{ 1 + 2 * 3 - 4 / 2 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
{{ -2 ** 2 }} {{ (-2) ** 3 }} {{ 2 ** 0.5 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 0 ** -1 }}
{{ 10 / 3 }} {{ 1e16 }} {{ 1e15 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ 0.0001 }} {{ 123456789.123 }} {{ 1e100 }} {{ -0.0 }}
{{ 1_000 }} {{ 0xff }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5 }} {{ 1e3 }} {{ 1.5E-3 }}
{{ 007 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'A' < 'a' }}
{{ 1 < 'a' }}
{{ [1] < (1,) }}
{{ none < 1 }}
{{ 1 in [1, 2] }} {{ 3 not in [1, 2] }} {{ 'a' in 'abc' }} {{ 'a' in d }} {{ 1 in d }} {{ 'z' not in d }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{{ true and false or true }} {{ not true }} {{ not not 1 }} {{ 0 or 'x' }} {{ '' and 1 }} {{ n and s }}
{{ 1 if true else 2 }} {{ 1 if false else 2 }} {{ 1 if n > 5 else 2 if n > 3 else 3 }}
{{ 1 if false }}
{{ (1 if false) is defined }}
{{ (1 if false) | default('x') }}
{{ 1 ~ 2 ~ 'x' ~ none ~ true ~ 1.5 ~ [1, 'a'] }}
{{ 'a' + 'b' }} {{ 'a' * 3 }} {{ 3 * 'ab' }} {{ [1] + [2] }} {{ [1] * 2 }} {{ (1,) + (2,) }} {{ 'a' * -1 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + (2,) }}
{{ 'a' - 'b' }}
{{ true + true }} {{ -true }} {{ +true }} {{ true * 2.5 }} {{ - - 3 }}
{{ -'a' }}
{{ [1, 2, 'a', none, true, 1.5, [3], {'k': 'v'}] }}
{{ (1, 2) }} {{ (1,) }} {{ () }} {{ 1, 2 }} {{ 1, }}
{{ {'a': 1, 'b': [1]} }} {{ {} }} {{ {1: 2, 'x': none} }} {{ {'a': 1, 'a': 2} }}
{{ {[1]: 2} }}
{{ quote }} {{ [quote] }} {{ ["it's"] }} {{ ['"'] }} {{ ['a\nb\t\\'] }} {{ ['\x00\x7f\u00e9한'] }}
{{ 'a\'b' }} {{ "a\"b" }} {{ 'a\nb' }} {{ '\u00e9' }} {{ '\x41' }} {{ '\101' }} {{ '\q' }} {{ 'a' 'b' "c" }}
{{ '\x4' }}
{{ 'unclosed }}
{{ "unclosed }}
{{ nope }}
{{ nope.x }}
{{ d.nope }}
{{ d.nope.x }}
{{ d['nope'] }}
{{ l[10] }}
{{ l[-1] }} {{ l[0] }} {{ l.0 }} {{ d.a }} {{ d['a'] }} {{ d.c.x[1] }} {{ d['c']['x'][-1] }} {{ s[0] }} {{ korean[0] }} {{ korean[-1] }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::2] }} {{ l[::-1] }} {{ s[2:5] }} {{ s[::-1] }} {{ korean[3:5] }} {{ l[5:] }} {{ l[-100:100] }} {{ l[2:0:-1] }} {{ (1, 2, 3)[1:] }}
{{ l[::0] }}
{{ l['a':] }}
{{ d[1:2] }}
{{ n[0] }}
{{ n.x }}
{{ nope is defined }} {{ n is defined }} {{ d.nope is defined }} {{ nope is undefined }} {{ nope is none }} {{ nope is string }} {{ nope is mapping }} {{ nope is sequence }}
{{ nope is iterable }}
{{ nope == 1 }}
{{ nope and 1 }}
{{ not nope }}
{{ nope or 1 }}
{{ nope | default('x') }} {{ nope | d('x') }} {{ d.nope | default(1) }} {{ '' | default('x') }}|{{ '' | default('x', true) }} {{ none | default('x') }} {{ none | default('x', boolean=true) }} {{ 0 | d(5, true) }} {{ nope | default }}|
{{ d.nope.deeper | default('x') }}
{{ nope | default(nope2) }}
{{ n | default(nope2) }}
{{ nope | upper }}
{{ nope | length }}
{{ nope | list }}
{{ nope | items | list }}
{{ s | upper }} {{ s | lower }} {{ s | title }} {{ 'hello wORLD-foo (bar) [baz' | title }} {{ 'hELLO' | capitalize }} {{ padded | trim }}| {{ '--a--' | trim('-') }} {{ korean | upper }} {{ 'éà' | upper }} {{ 'ÉÀ' | lower }}
{{ 5 | upper }} {{ true | lower }} {{ none | title }} {{ [1, 'A'] | lower }}
{{ s | replace('l', 'L') }} {{ s | replace('l', 'L', 1) }} {{ 'aaa' | replace('', '-') }} {{ 123 | replace(2, 'x') }}
{{ l | join(', ') }} {{ l | join }} {{ rows | join('-', attribute='name') }} {{ 'abc' | join('.') }} {{ d | join(',') }} {{ [1, none, true] | join('|') }}
{{ 5 | join }}
{{ l | length }} {{ s | count }} {{ d | length }} {{ korean | length }} {{ el | length }}
{{ 5 | length }}
{{ l | first }} {{ l | last }} {{ s | first }} {{ s | last }} {{ d | first }}
{{ el | first }}
{{ el | last }}
{{ el | first is defined }}
{{ l | sort }} {{ l | sort(reverse=true) }} {{ names | sort }} {{ names | sort(case_sensitive=true) }} {{ names | sort(true) }} {{ rows | sort(attribute='name') | map(attribute='name') | list }} {{ rows | sort(attribute='rows,name') | map(attribute='name') | list }} {{ rows | sort(attribute='rows', reverse=true) | map(attribute='name') | list }}
{{ mixed | sort }}
{{ rows | sort }}
{{ rows | sort(attribute='nope') }}
{{ l | reverse | list }} {{ s | reverse }} {{ korean | reverse }}
{{ [1, 2, 1, 'a', 'A', 'a'] | unique | list }} {{ names | unique | list }} {{ names | unique(true) | list }} {{ rows | unique(attribute='rows') | map(attribute='name') | list }}
{{ rows | map(attribute='name') | list }} {{ names | map('upper') | list }} {{ l | map('string') | join('+') }} {{ rows | map(attribute='nope', default='x') | list }} {{ rows | map(attribute='tags.0', default='-') | list }} {{ names | map('replace', 'a', 'o') | list }} {{ l | map('float') | list }} {{ nested | map('first') | list }}
{{ names | map('nofilter') | list }}
{{ names | map(foo='x') | list }}
{{ l | select('odd') | list }} {{ l | reject('odd') | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ [0, 1, '', 'a'] | reject | list }} {{ l | select('gt', 1) | list }} {{ mixed | select('string') | list }} {{ l | select('in', [1, 2]) | list }}
{{ rows | selectattr('tags') | map(attribute='name') | list }} {{ rows | selectattr('rows', 'eq', 5) | map(attribute='name') | list }} {{ rows | rejectattr('rows', '>', 4) | map(attribute='name') | list }} {{ rows | selectattr('rows', 'equalto', 3) | list | length }} {{ rows | selectattr('nope', 'defined') | list }}
{{ l | select('notest') | list }}
{{ rows | selectattr | list }}
{{ l | sum }} {{ rows | sum(attribute='rows') }} {{ floats | sum }} {{ l | sum(start=10) }} {{ el | sum }} {{ rows | map(attribute='rows') | sum }} {{ nested | sum(start=[]) }}
{{ names | sum }}
{{ l | min }} {{ l | max }} {{ names | min }} {{ names | max }} {{ rows | max(attribute='rows') }} {{ rows | min(attribute='rows') }} {{ names | min(true) }}
{{ el | min }}
{{ mixed | max }}
{{ numeric | int }} {{ real | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ hexa | int(base=16) }} {{ '0xff' | int(0, 16) }} {{ 3.99 | int }} {{ -3.99 | int }} {{ true | int }} {{ none | int }} {{ [] | int }} {{ ' 42 ' | int }} {{ '1_000' | int }} {{ '1e3' | int }} {{ '-5' | int }} {{ '' | int }} {{ '0b11' | int(base=2) }}
{{ numeric | float }} {{ real | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ n | float }} {{ '1e3' | float }} {{ ' 2.5 ' | float }} {{ 'inf' | float }} {{ 'nan' | float }} {{ none | float }} {{ true | float }}
{{ n | string }} {{ l | string }} {{ none | string }} {{ f | string ~ '!' }}
{{ s | list }} {{ d | list }} {{ (1, 2) | list }}
{{ 5 | list }}
{{ d | tojson }} {{ rows | tojson }} {{ quote | tojson }} {{ html | tojson }} {{ korean | tojson }} {{ [1, 1.5, true, none, 'é😀'] | tojson }} {{ (1, 2) | tojson }} {{ {'b': 1, 'a': 2} | tojson }} {{ d | tojson(indent=2) }} {{ [] | tojson(2) }} {{ {} | tojson(indent=4) }}
{{ nope | tojson }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.567 | round(2) }} {{ 2.5 | round(0, 'ceil') }} {{ 2.567 | round(1, 'floor') }} {{ 42 | round }} {{ 1234.5 | round(-2) }} {{ 0.125 | round(2) }} {{ 2.675 | round(2) }} {{ -2.5 | round }} {{ 1250 | round(-2) }} {{ 1350 | round(-2) }} {{ 55.55 | round(1) }} {{ 7 | round(method='floor') }} {{ 5e-324 | round(3) }}
{{ 2.5 | round(0, 'up') }}
{{ 'a' | round }}
{{ -5 | abs }} {{ neg | abs }} {{ 2.5 | abs }} {{ g | abs }} {{ true | abs }}
{{ 'a' | abs }}
{{ d | dictsort }} {{ {'b': 1, 'A': 3, 'c': 2} | dictsort }} {{ {'b': 1, 'A': 3} | dictsort(true) }} {{ {'b': 1, 'a': 3} | dictsort(by='value') }} {{ {'b': 1, 'a': 3} | dictsort(false, 'value', true) }} {{ {'b': 1, 'a': 3} | dictsort(reverse=true) }}
{{ l | dictsort }}
{{ d | items | list }}
{{ 5 | items | list }}
{{ lines | indent }}|{{ lines | indent(2) }}|{{ lines | indent(2, true) }}|{{ lines | indent(2, true, true) }}|{{ lines | indent('> ') }}|{{ '' | indent }}|{{ 'a\n' | indent }}
{{ 'a b c d e f g h i j' | truncate(10) }} {{ 'a b c d e f g h i j' | truncate(10, true) }} {{ 'abcdefghijklmnop' | truncate(10) }} {{ 'abcdefghijklmnop' | truncate(10, true, '!') }} {{ s | truncate(5, leeway=0) }} {{ korean | truncate(5, true, '…', 0) }} {{ s | truncate(2) }}
{{ s | wordcount }} {{ korean | wordcount }} {{ 'a-b c_d 3' | wordcount }} {{ '' | wordcount }}
{{ s | center(20) }}| {{ 'ab' | center(5) }}| {{ 'abc' | center(6) }}| {{ 'x' | center(0) }}|
{{ l | batch(2) | list }} {{ l | batch(2, '-') | list }} {{ el | batch(2) | list }} {{ l | slice(2) | list }} {{ l | slice(2, 'x') | list }} {{ [1, 2, 3, 4, 5, 6, 7] | slice(3) | list }}
{% for k, v in rows | groupby('rows') %}{{ k }}={{ v | map(attribute='name') | join(',') }};{% endfor %}
{% for k, v in names | groupby(0) %}{{ k }}={{ v | join(',') }};{% endfor %}
{{ rows | groupby('rows') }}
{% for g in rows | groupby('nope', default='none') %}{{ g[0] }}{{ g[1] | length }}{% endfor %}
{{ 'a b&c/한' | urlencode }} {{ {'a b': 'c&d', 'e': 1} | urlencode }} {{ [('a', '/'), ('b', 2)] | urlencode }} {{ 5 | urlencode }}
{{ 1 | filesizeformat }} {{ 999 | filesizeformat }} {{ 1000 | filesizeformat }} {{ 123456789 | filesizeformat }} {{ 123456789 | filesizeformat(true) }} {{ 1024 | filesizeformat(binary=true) }} {{ 5e30 | filesizeformat }}
{{ s | attr('upper') is defined }} {{ d | attr('a') is defined }}
{{ 4 is even }} {{ 4 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ none is none }} {{ 1 is number }} {{ true is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.5 is float }} {{ 's' is string }} {{ d is mapping }} {{ l is sequence }} {{ d is sequence }} {{ s is sequence }} {{ 5 is sequence }} {{ l is iterable }} {{ 5 is iterable }} {{ true is boolean }} {{ 1 is boolean }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ '1' is lower }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is lt 2 }} {{ 2 is gt 1 }} {{ 1 is in [1] }} {{ 1 is not in [1] }} {{ 1 is sameas 1 }} {{ s is callable }} {{ 'upper' is filter }} {{ 'odd' is test }}
{{ 1 is not none }} {{ 1 is not odd }} {{ none is not defined }}
{{ 's' is odd }}
{{ 1 is divisibleby 0 }}
{{ 1 is nosuch }}
{{ 1 is odd is even }}
{{ 1 | nosuch }}
{{ l is sequence and not s is mapping }}
{{ 1 is number and 2 is number }} {{ 1 is divisibleby 1 or false }} {{ 5 is odd if true else 2 }}
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}
{% if el %}a{% elif ed %}b{% else %}c{% endif %}
{% if nope %}a{% endif %}
{% if 1, 2 %}tuple{% endif %}
{% for x in l %}{{ x }},{% endfor %}
{% for x in l %}{{ loop.index }}/{{ loop.length }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.depth }} {{ loop.cycle('a', 'b') }} {{ loop.changed(x % 2) }};{% endfor %}
{% for x in l %}{{ loop.previtem | default('-') }}<{{ x }}>{{ loop.nextitem | default('-') }} {% endfor %}
{% for x in l %}{{ loop.previtem }}{% endfor %}
{% for x in el %}a{% else %}none{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{% else %}none{% endfor %}
{% for x in l if x > 10 %}{{ x }}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}{% for k in d.keys() %}{{ k }}{% endfor %}{% for v in d.values() %}{{ v }}{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for c in s %}{{ c }}.{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for x in nope %}{{ x }}{% endfor %}
{% for x in none %}{{ x }}{% endfor %}
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ x }}{{ y }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}
{% for x in [1, 2] %}{% set outer = loop %}{% for y in [3, 4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in range(3) %}{{ x }}{% endfor %}{% for x in range(1, 10, 3) %}{{ x }}{% endfor %}{{ range(5, 0, -2) | list }}{{ range(3) | sum }}
{{ range() }}
{{ range('a') }}
{{ range(1, 5, 0) }}
{% for x in 1, 2, 3 %}{{ x }}{% endfor %}
{% for x in l %}{{ x }}{% endfor %}{{ x }}
{{ loop }}
{{ loop.index }}
{% set x = 5 %}{{ x }}{% set x = x + 1 %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = 1 %}{{ a }}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = 2 %}{% endfor %}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x | length }}
{% set x | upper %}a{{ s }}b{% endset %}{{ x }}
{% set ns = namespace(total=0, first=none) %}{% for i in l %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}{{ ns.first }}
{% set ns = namespace() %}{{ ns.x }}
{% set n.x = 1 %}
{% set 5 = 1 %}
{% set true = 1 %}
{% set x %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% with %}{% set q = 3 %}{{ q }}{% endwith %}{{ q is defined }}
{% filter upper %}abc {{ s }}{% endfilter %}
{% filter replace('a', 'b') | upper %}abc{% endfilter %}
{{ dict(a=1, b='x') }} {{ dict(a=1).a }} {{ dict() }}
{# a comment #}x{# {{ nope }} #}y
{#- a -#} x
a {#- c #} b
{# unclosed
a  {{- 1 -}}  b
a  {{+ 1 }}  b
{{-1}} {{ -1 }}
a {%- if true -%}  b  {%- endif -%} c
a {%+ if true +%}  b  {%+ endif +%} c
{% raw %}{{ not }} {% a %}{% endraw %}
a {%- raw -%} {{ x }} {%- endraw -%} b
{% raw %}unclosed
{{ '}}' }} {{ "{%" }} {{ '{#' }}
{{ {'a': {'b': 1}} }} {{ {'a':{'b':1}}['a']['b'] }}
{{ d.items() | list }} {{ d.get('a') }} {{ d.get('zz') }} {{ d.get('zz', 5) }} {{ d.keys() | list }} {{ d.values() | list }}
{{ d.get() }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ 'aB'.swapcase() }} {{ 'hello'.capitalize() }} {{ padded.strip() }}| {{ padded.lstrip() }}| {{ padded.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'a,b,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b  c'.split() }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b '.split(none, 1) }} {{ ' a b c '.rsplit(none, 1) }} {{ 'a\nb\r\nc'.splitlines() }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ s.startswith('He') }} {{ s.endswith('ld') }} {{ s.startswith(('a', 'H')) }} {{ ','.join(['a', 'b']) }} {{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.index('W') }} {{ s.count('l') }} {{ korean.find('시') }} {{ '42'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'a'.ljust(3) }}| {{ 'a'.rjust(3, '*') }} {{ 'a'.center(4) }}| {{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }}
{{ ','.join([1]) }}
{{ s.index('zz') }}
{{ s.split('') }}
{{ s.nosuch() }}
{{ s.upper(1) }}
{{ s() }}
{{ l.index(1) }} {{ l.count(3) }}
{{ l.index(99) }}
{{ l.nosuch() }}
{{ s | upper | lower | title }} {{ (1 + 2) | string }} {{ 1 + 2 | string | length }} {{ -1 | abs }} {{ 'a' ~ 'b' | upper }} {{ not n | length if false else 1 }}
{{ s.upper().lower()[0:3] | upper }}
{{ (l | sort)[0] }} {{ (l | sort | last) * 2 }} {{ l | map('string') | map('upper') | join }}
{{ params.lake }}/{{ params.tables[0] }}/dt={{ ds }}/
{% for t in params.tables %}{{ params.lake ~ '/' ~ t }}{% if not loop.last %}, {% endif %}{% endfor %}
{{ 1
+ 2 }}
{{ }}
{{ 1 2 }}
{{ 1 + }}
{{ (1 }}
{{ [1 }}
{{ 1) }}
{{ a b }}
{{ | upper }}
{{ n | }}
{{ 1 is }}
{{ n. }}
{{ n[ }}
{% if %}a{% endif %}
{% if n %}a
{% for %}
{% for x l %}{% endfor %}
{% for x in l %}
{% endif %}
{% else %}
{% nosuch %}
{% if n %}{% endfor %}
{% 5 %}
{%
{{
}} x %}
{{ $ }}
{{ a ? b }}
{{ n | default(1, 2, 3) }}
{{ n | upper(1) }}
{{ n | join(x=1) }}
{{ n | replace('a') }}
{{ s | replace(old='l', new='x') }}
{{ 'x' | int(default=3) }}
{{ f(x=1, x=2) }}
{{ dict(x=1, 2) }}
{{ 한글 }}
{% set 한글 = 1 %}{{ 한글 }}
{{ true }} {{ True }} {{ none }} {{ None }} {{ false }} {{ False }}
{{ 9223372036854775807 }} {{ -9223372036854775807 }}
{{ s | trim | upper ~ '!' }}
{{ [1, 2, 3,] }} {{ {'a': 1,} }} {{ dict(a=1,) }}
{{ l | join(', ') | upper if l else 'none' }}
{{ rows[0].name }} {{ rows[0]['tags'][0] }} {{ rows | length }} {{ (rows | first).name }} {{ rows[-1].tags | join('/') }}
{{ nested[1][1][0] }}
{% for row in rows %}{% if row.rows == 5 and row.tags %}{{ loop.index }}:{{ row.name }}{% endif %}{% endfor %}
{{ 1.5 == 1.5 }} {{ 'a' == 'a' }} {{ [1] == [1.0] }} {{ {'a': 1} == {'a': 1} }} {{ (1,) == [1] }} {{ none == none }} {{ none == 0 }} {{ 'a' != 1 }}
{{ f }} {{ g }} {{ whole }} {{ floats }} {{ 1e22 }} {{ 12345678901234567.0 }} {{ 1.0e-10 }}
{{ 10 ** 18 }} {{ 3 * 1.1 }} {{ 100 * 1.1 }} {{ 7 / 7 }}
""".strip("\n").split("\n")

# What differs on purpose: docs/templates.md says why. Each must be such a difference, or the list is out of date.
KNOWN = {
    "{{ l.append(5) }}": "nothing changes data",
    "{% macro m() %}x{% endmacro %}{{ m() }}": "no code",
    "{{ '<' | e }}": "no HTML",
    "{{ 10 ** 30 }}": "64-bit integers",
    "{{ l | map('string') | length }}": "map gives a list here, a generator there",
    "{% for a in [1] recursive %}{{ a }}{% endfor %}": "no recursion",
    "{{ namespace(a=1) }}": "a namespace is not data",
}


class Generator:
    """Random templates that mostly work: names, literals, operators, filters, tests, blocks."""

    FILTERS = ["upper", "lower", "length", "first", "last", "sort", "list", "join", "join('-')", "string", "int", "float",
               "abs", "round", "round(1)", "title", "capitalize", "trim", "default('x')", "default(0, true)", "reverse|list",
               "unique|list", "min", "max", "sum", "tojson", "replace('a', 'b')", "truncate(6)", "wordcount",
               "map('string')|list", "map(attribute='name')|list", "select|list", "reject('none')|list", "dictsort",
               "items|list", "indent(2)", "center(9)", "batch(2)|list", "slice(2)|list", "int(3)", "sort(reverse=true)",
               "d(n)", "selectattr('rows', 'gt', 3)|list", "urlencode"]
    TESTS = ["defined", "none", "string", "number", "mapping", "sequence", "odd", "even", "divisibleby 2", "in l", "eq 3",
             "lower", "boolean", "iterable", "integer", "float", "undefined", "gt 2", "ne n"]
    METHODS = ["upper()", "lower()", "strip()", "split('-')", "replace('o', '0')", "startswith('H')", "title()", "find('l')",
               "splitlines()", "zfill(8)", "get('a')", "items()|list", "format(1, 2)", "count('l')", "split()"]

    def __init__(self, seed):
        self.r = random.Random(seed)

    def literal(self):
        r = self.r
        return r.choice([str(r.randint(0, 20)), str(r.randint(-5, 300)), r.choice(["1.5", "0.25", "2.0", "10.75"]),
                         "'%s'" % r.choice(["", "a", "Hello", "한글", "a-b", "x y", "12", "%s", "{}"]), "true", "false", "none",
                         "[]", "{}", "[1, 'b', 2.5]", "{'k': 1, 'j': 'v'}", "(1, 2)"])

    def expression(self, depth=0):
        r = self.r
        if depth > 3:
            return r.choice([self.literal(), r.choice(list(CONTEXT))])
        sub = lambda: self.expression(depth + 1)
        kind = r.randrange(20)
        if kind < 4:
            return r.choice(list(CONTEXT))
        if kind < 6:
            return self.literal()
        if kind < 10:
            return "%s|%s" % (self.operand(depth), r.choice(self.FILTERS))
        if kind == 10:
            return "(%s) is %s%s" % (sub(), r.choice(["", "not "]), r.choice(self.TESTS))
        if kind == 11:
            return "%s %s %s" % (sub(), r.choice(["+", "-", "*", "/", "//", "%", "~"]), sub())
        if kind == 12:
            return "%s %s %s" % (sub(), r.choice(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), sub())
        if kind == 13:
            return "%s %s %s" % (sub(), r.choice(["and", "or"]), sub())
        if kind == 14:
            return "%s if %s else %s" % (sub(), sub(), sub())
        if kind == 15:
            return "%s[%s]" % (self.operand(depth), r.choice(["0", "-1", "1:", ":2", "::-1", "'a'", "5", "::2", "-2:"]))
        if kind == 16:
            return "%s.%s" % (self.operand(depth), r.choice(["a", "name", "c.x", "0", "lake", "nope"] + self.METHODS))
        if kind == 17:
            return "not %s" % sub()
        if kind == 18:
            return "[%s, %s]" % (sub(), sub())
        return "{'p': %s}" % sub()

    TYPED = {
        "text": (["ds", "s", "korean", "lines", "padded", "quote", "empty", "numeric", "params.lake", "rows[0].name", "'a-b c'",
                  "'한글 abc'"],
                 ["upper", "lower", "title", "capitalize", "trim", "replace('a', 'b')", "replace('-', '')", "truncate(8)",
                  "truncate(9, true, '')", "indent(3)", "center(15)", "default('x')", "string", "reverse", "urlencode", "trim('0')"],
                 ["upper()", "strip()", "replace('o', '0')", "title()", "zfill(12)", "rjust(14, '.')", "lstrip()", "swapcase()",
                  "split('-')[0]", "removeprefix('Hel')", "partition(' ')[2]", "center(13)", "capitalize()"]),
        "number": (["n", "f", "g", "zero", "neg", "3", "17", "2.5", "params.limit", "rows[1].rows", "(l|length)", "big"],
                   ["abs", "round", "round(1)", "round(2, 'floor')", "round(0, 'ceil')", "int", "float", "default(1)"], []),
        "list": (["l", "names", "floats", "el", "rows|map(attribute='name')|list", "params.tables", "[3, 1, 3]", "s.split()",
                  "range(5)|list", "d|list"],
                 ["sort", "unique|list", "reverse|list", "map('string')|list", "select|list", "list", "sort(reverse=true)",
                  "map('string')|map('upper')|list", "batch(2)|list", "slice(3)|list", "reject('in', ['Alpha', 1])|list"], []),
        "map": (["d", "ed", "params", "rows[0]", "{'z': 1, 'y': n}", "dict(a=s)"], ["default({})"], []),
    }

    def typed(self, kind, depth=0):
        """An expression that gives the kind, as a rule."""
        r = self.r
        names, filters, methods = self.TYPED[kind]
        if depth > 3 or r.random() < 0.25:
            return r.choice(names)
        sub = lambda wanted: self.typed(wanted, depth + 1)
        choice = r.randrange(8)
        if choice < 3:
            return "(%s)|%s" % (sub(kind), r.choice(filters))
        if choice == 3 and methods:
            return "(%s).%s" % (sub(kind), r.choice(methods))
        if choice == 4:
            return "(%s if %s else %s)" % (sub(kind), self.condition(depth + 1), sub(kind))
        if kind == "text":
            return r.choice(["(%s) ~ (%s)" % (sub("text"), sub(r.choice(list(self.TYPED)))), "(%s)[%s]" % (sub("text"), r.choice(
                ["1:", ":4", "::2", "::-1", "-3:", "2:5"])), "(%s)|join('%s')" % (sub("list"), r.choice([", ", "", "-"])),
                "(%s)|tojson" % sub(r.choice(list(self.TYPED))), "'%%s/%%5.1f' %% ((%s), (%s))" % (sub("text"), sub("number")),
                "'{:>8}|{!r}'.format((%s), (%s))" % (sub("text"), sub("list")), "'{:%s}'.format(%s)" % (r.choice(
                    ["08.2f", ",.1f", "+.3e", "g", ".4g", "%", "12", "<9"]), sub("number"))])
        if kind == "number":
            return r.choice(["(%s) %s (%s)" % (sub("number"), r.choice(["+", "-", "*", "/", "//", "%"]), sub("number")),
                             "(%s)|length" % sub(r.choice(["text", "list", "map"])), "(%s)|wordcount" % sub("text"), "-(%s)" % sub("number"),
                             "(%s)|int" % sub("text"), "(%s).count('o')" % sub("text"), "(%s)|map('string')|map('length')|sum" % sub("list")])
        if kind == "list":
            return r.choice(["(%s) + (%s)" % (sub("list"), sub("list")), "(%s)[%s]" % (sub("list"), r.choice(["1:", ":2", "::-1"])),
                             "[%s, %s]" % (sub("text"), sub("number")), "(%s).split('%s')" % (sub("text"), r.choice("-oa ")),
                             "(%s)|dictsort" % sub("map"), "(%s).items()|list" % sub("map"), "(%s)|list" % sub("text")])
        return "{'a': %s, 'b': %s}" % (sub("text"), sub("list"))

    def condition(self, depth=0):
        r = self.r
        sub = lambda wanted: self.typed(wanted, depth + 1)
        return r.choice(["(%s) %s (%s)" % (sub("number"), r.choice(["<", "<=", "==", "!=", ">", ">="]), sub("number")),
                         "(%s) %sin (%s)" % (sub("text"), r.choice(["", "not "]), sub(r.choice(["text", "list", "map"]))),
                         "(%s)" % sub(r.choice(list(self.TYPED))), "(%s) is %s" % (sub("number"), r.choice(["odd", "even", "float", "number"])),
                         "not (%s)" % sub(r.choice(list(self.TYPED))), "(%s) == (%s)" % (sub("list"), sub("list")), "t and (%s)" % sub("text"),
                         "(%s) < (%s)" % (sub("text"), sub("text")), "nope is defined"])

    def sensible(self):
        r = self.r
        kinds = list(self.TYPED)
        return r.choice([
            lambda: "{{ %s }}" % self.typed(r.choice(kinds)),
            lambda: "a {{%s %s %s}} b" % (r.choice(["", "-"]), self.typed(r.choice(kinds)), r.choice(["", "-"])),
            lambda: "{%% if %s %%}%s{%% elif %s %%}2{%% else %%}3{%% endif %%}" % (self.condition(), self.sensible(), self.condition()),
            lambda: "{%% for x in %s %%}{{ loop.index }}:{{ x }}{%% if not loop.last %%},{%% endif %%}{%% else %%}-{%% endfor %%}" % self.typed("list"),
            lambda: "{%% for k, v in (%s)|dictsort %%}{{ k }}={{ v }}{%% endfor %%}" % self.typed("map"),
            lambda: "{%% set v = %s %%}{{ v }}{{ v|string|length }}" % self.typed(r.choice(kinds)),
            lambda: "{%% for x in %s if x %%}{{ x ~ loop.revindex }}{%% endfor %%}" % self.typed("list"),
        ])()

    def operand(self, depth):
        return self.r.choice(list(CONTEXT)) if self.r.random() < 0.6 else "(%s)" % self.expression(depth + 1)

    def block(self, depth=0):
        r = self.r
        kind = r.randrange(9)
        if depth > 2 or kind < 4:
            sign = lambda: r.choice(["", "", "", "-"])
            return "{{%s %s %s}}" % (sign(), self.expression(), sign())
        body = lambda: self.template(depth + 1)
        if kind == 4:
            return "{%% if %s %%}%s{%% else %%}%s{%% endif %%}" % (self.expression(1), body(), body())
        if kind == 5:
            return "{%% for x in %s %%}%s{{ loop.index }}{{ x }}{%% else %%}%s{%% endfor %%}" % (self.operand(1), body(), body())
        if kind == 6:
            return "{%% set v%d = %s %%}" % (r.randrange(2), self.expression(1))
        if kind == 7:
            return "{{ v%d | default('-') }}" % r.randrange(2)
        return "{#- %s #}" % r.choice(["note", ""])

    def template(self, depth=0):
        r = self.r
        parts = []
        for _ in range(r.randint(1, 3)):
            parts.append(r.choice(["", " ", "a", "\n", " b\n ", "한 ", "{ "]))
            parts.append(self.block(depth))
        return "".join(parts)

    def broken(self):
        """A template with one character lost, doubled or exchanged."""
        text = self.template()
        place = self.r.randrange(len(text))
        return text[:place] + self.r.choice(["", text[place] * 2, self.r.choice("{}%|().'\"[]-+~#, ")]) + text[place + 1:]


# Where Jinja2 prints objects of Python, errors of recursion and the like, there is nothing to compare with.
PYTHON_ONLY = ["<generator", "<built-in", "dict_items", "dict_keys", "dict_values", " object at 0x", "<Namespace", "Markup(", "range(",
               "<LoopContext", "Undefined", "<reversed", "<list_reverseiterator", "<map", "<bound method", "<method"]


def jinja(environment, template):
    try:
        return {"text": environment.from_string(template).render(**copy.deepcopy(CONTEXT))}  # Python's filters and methods may change it
    except RecursionError:
        return None
    except Exception as error:  # whatever Python raises is this template's error
        return {"error": "%s: %s" % (type(error).__name__, error)}


def beyond(template, theirs, ours):
    """A template that means more in Python than it does here, by design."""
    text = theirs.get("text", "")
    if any(mark in text for mark in PYTHON_ONLY):
        return True
    message = theirs.get("error", "")
    # Lazy iterators there are lists here; members of data come before methods here.
    if "generator" in message or "reversed" in message or "dict_items" in message or "dict_keys" in message or "dict_values" in message:
        return True
    if "text" in theirs and "64 bits" in ours.get("error", ""):
        return True
    # Python prints a list that holds something undefined as [Undefined]; here that is an error as well.
    if "text" in theirs and "[" in template and any(m in ours.get("error", "") for m in ("has no item", "has no member", "of nothing")):
        return True
    # Names of filters and tests are checked when a template is read, even where it never goes; arguments before items.
    if "text" in theirs and any(mark in ours.get("error", "") for mark in ("unknown filter", "unknown test", "has no argument")):
        return True
    # Jinja2 computes constant expressions when it reads a template, even where it never goes.
    if "text" in ours and ("has no element" in message or "object has no attribute" in message):
        return True
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--seed", type=int, default=20260131)
    parser.add_argument("--count", type=int, default=6000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)  # of the Python code that Jinja2 makes of "1[2]"
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])
    generator = Generator(arguments.seed)
    templates = list(HAND) + list(KNOWN)
    templates += [generator.sensible() for _ in range(arguments.count)]
    templates += [generator.template() for _ in range(arguments.count // 4)]
    templates += [generator.broken() for _ in range(arguments.count // 4)]

    lines = "".join(json.dumps({"template": t, "context": CONTEXT}) + "\n" for t in templates)
    answers = subprocess.run([arguments.probe], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    answers = [json.loads(line) for line in answers.splitlines()]
    assert len(answers) == len(templates), (len(answers), len(templates))

    texts = errors = beyond_count = differences = 0
    for template, ours in zip(templates, answers):
        if "{{" not in template and "{%" not in template and "{#" not in template:
            continue  # a text without tags is left alone here; Jinja2 drops its last newline
        theirs = jinja(environment, template)
        if theirs is None:
            continue
        same = theirs.get("text") == ours.get("text")
        if template in KNOWN:
            if same:
                print("no longer a difference: %s" % template)
                differences += 1
            continue
        if same:
            texts += "text" in theirs
            errors += "error" in theirs
        elif template not in HAND and beyond(template, theirs, ours):
            beyond_count += 1
        else:
            differences += 1
            if differences <= 40:
                print("template %r\n  jinja2 %r\n  ours   %r" % (template, theirs, ours))
    print("%d same texts, %d errors of both, %d beyond comparison, %d differences; seed %d"
          % (texts, errors, beyond_count, differences, arguments.seed))
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
