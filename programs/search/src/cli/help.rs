//! The text of `--help`.

/// What the program prints for `--help`.
pub(crate) const HELP: &str = "\
ouzel-search: searches recorded sessions, files of JSON lines

usage: ouzel-search QUERY [PATH...] [options]

Without a PATH it searches ~/.claude/projects. A PATH is a file, or a directory of which
every *.jsonl is searched, at any depth. Matches come newest first.

QUERY
  word  \"quoted text\"     found anywhere, with case ignored; \\\" \\\\ \\n \\t in quotes
  /regex/ims              a regular expression, with case unless the flag i is given
  a AND b, a b            both; OR either; NOT without; parentheses group

which lines
  --role ROLE             user, assistant, system or summary
  --session ID            of the session whose id begins so
  --project NAME          in files below a directory whose name has NAME in it
  --after, --since TIME   not before: 2025-01-31, 2025-01-31T12:00+09:00, \"2 days ago\"
  --before TIME           not later
  --limit N               the first N of the whole order (50 on a terminal, else all; 0: none)
  --oldest                oldest first

what is printed
  --format FORMAT         text, json (one array) or jsonl (an object a line): file, line,
                          role, timestamp, session, text
  --count                 only the number of matches, whatever the limit
  --files-with-matches    only the files, each once, in the order of their first match
  --stats                 at the end, to stderr: files, bytes, matches, time
  --color WHEN            auto (on a terminal, unless NO_COLOR is set), always or never

how
  --threads N             threads that search (one for each processor)
  --engine ENGINE         ouzel; threads, whole; built with the feature peers: rayon, smol,
                          tokio, tokio-uncapped, tokio-lines
  --measure               at the end, to stderr: what it took, as JSON
  --only-read             reads every file and searches nothing, to measure that alone
  --completions SHELL     prints a completion script: bash, zsh or fish
  -h, --help    -V, --version

exit status: 0 found, 1 nothing found, 2 an error, or a file that cannot be read and
nothing found elsewhere

examples
  ouzel-search deadlock
  ouzel-search '\"race condition\" OR deadlock NOT tokio' --role assistant --limit 5
  ouzel-search '/panicked at .*rs:[0-9]+/' --since '2 days ago' --stats
  ouzel-search error ./sessions --format jsonl | jq -r .file | sort | uniq -c
  ouzel-search TODO --files-with-matches --project my-app
";
