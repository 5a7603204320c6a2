//! A line of a session file: what its role is, when it was written, and what it says.
//!
//! | type | text |
//! |---|---|
//! | `summary` | `summary` |
//! | `system` | `content` |
//! | `user`, `assistant` | `message.content`: a string, or blocks |
//!
//! Of blocks: `text`, `thinking`, the name and input of a `tool_use`, the content of a `tool_result`. The session's id and the
//! line's own follow. A line that lacks something or is no JSON says nothing. A key that is there twice means its
//! last value; only in a tool's input both count.

use crate::instant::Instant;
use crate::json::{Kind, NoJson, Reader, Text, unescape};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A person, or a tool that answers.
    User,
    /// The model.
    Assistant,
    /// The program.
    System,
    /// What a session was about.
    Summary,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::User, Role::Assistant, Role::System, Role::Summary];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
            Role::Summary => "summary",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// A line that has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) role: Role,
    /// `None` for a summary.
    pub(crate) time: Option<Instant>,
    session: Option<Text>,
}

impl Head {
    /// Whether the session's id is `id`, or begins so.
    pub(crate) fn is_of_session(&self, line: &[u8], id: &str) -> bool {
        self.session_id(line).is_some_and(|s| s.starts_with(id))
    }

    /// The session's id; a summary has none.
    pub(crate) fn session_id(&self, line: &[u8]) -> Option<String> {
        let line = std::str::from_utf8(line).ok()?;
        let mut id = String::new();
        unescape(self.session?.raw(line), &mut id);
        Some(id)
    }
}

/// Reads lines, one after the other; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    parts: Vec<Text>,
    /// Of the block at hand.
    input: Vec<Text>,
    content: Vec<Text>,
    text: String,
}

/// A value as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
enum Value {
    #[default]
    Missing,
    Null,
    String(Text),
    Other,
}

impl Value {
    fn read(reader: &mut Reader<'_>) -> Result<Value, NoJson> {
        Ok(match reader.kind()? {
            Kind::String => return reader.string().map(Value::String),
            kind => {
                reader.skip()?;
                if kind == Kind::Null { Value::Null } else { Value::Other }
            }
        })
    }

    fn string(self) -> Option<Text> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    fn is(self, line: &str, word: &str) -> bool {
        self.string().is_some_and(|t| t.is(line, word))
    }
}

/// The fields of a line.
#[derive(Default)]
struct Fields {
    kind: Value,
    summary: Value,
    leaf: Value,
    content: Value,
    uuid: Value,
    session: Value,
    timestamp: Value,
    /// Whether the message has been understood; its parts are in [`Lines::parts`].
    message: bool,
}

impl Lines {
    /// Reads a line, without its end; `None` if it says nothing.
    pub(crate) fn read(&mut self, line: &[u8]) -> Option<Head> {
        let line = std::str::from_utf8(line).ok()?;
        u32::try_from(line.len()).ok()?;
        self.parts.clear();
        let mut fields = Fields::default();
        let mut reader = Reader::new(line);
        if reader.kind() != Ok(Kind::Object) {
            return None;
        }
        let read = reader.object(|r, key| {
            let field = match key_of(line, key).as_ref() {
                "type" => &mut fields.kind,
                "summary" => &mut fields.summary,
                "leafUuid" => &mut fields.leaf,
                "content" => &mut fields.content,
                "uuid" => &mut fields.uuid,
                "sessionId" => &mut fields.session,
                "timestamp" => &mut fields.timestamp,
                "message" => {
                    fields.message = self.message(line, r)?;
                    return Ok(());
                }
                _ => return r.skip(),
            };
            *field = Value::read(r)?;
            Ok(())
        });
        read.and_then(|()| reader.end()).ok()?;
        self.head(line, &fields)
    }

    fn head(&mut self, line: &str, fields: &Fields) -> Option<Head> {
        let kind = fields.kind.string()?;
        let role = Role::ALL.into_iter().find(|r| kind.is(line, r.name()))?;
        match role {
            Role::Summary => {
                self.parts.clear();
                self.parts.extend([fields.summary.string()?, fields.leaf.string()?]);
                return Some(Head { role, time: None, session: None });
            }
            Role::System => {
                self.parts.clear();
                self.parts.push(fields.content.string()?);
            }
            Role::User | Role::Assistant if !fields.message => return None,
            Role::User | Role::Assistant => {}
        }
        let session = fields.session.string()?;
        self.parts.extend([session, fields.uuid.string()?]);
        let time = match fields.timestamp {
            Value::String(t) if t.escaped => {
                let mut said = String::new();
                unescape(t.raw(line), &mut said);
                Some(Instant::parse(&said)?)
            }
            Value::String(t) => Some(Instant::parse(t.raw(line))?),
            // As a summary: that of what came before.
            Value::Null => None,
            Value::Missing | Value::Other => return None,
        };
        Some(Head { role, time, session: Some(session) })
    }

    /// What the line that was read last says.
    pub(crate) fn text(&mut self, line: &[u8]) -> &str {
        self.text.clear();
        // It has been checked by `read`, but cutting strings out of it wants to know again.
        let Ok(line) = std::str::from_utf8(line) else { return "" };
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                self.text.push('\n');
            }
            if part.escaped {
                unescape(part.raw(line), &mut self.text);
            } else {
                self.text.push_str(part.raw(line));
            }
        }
        &self.text
    }

    /// Reads the value of `message`; false where it is not as it should be.
    fn message(&mut self, line: &str, reader: &mut Reader<'_>) -> Result<bool, NoJson> {
        let mut good = false;
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(false);
        }
        self.parts.clear();
        reader.object(|r, key| {
            if key_of(line, key).as_ref() != "content" {
                return r.skip();
            }
            self.parts.clear();
            good = self.blocks(line, r)?;
            Ok(())
        })?;
        Ok(good)
    }

    fn blocks(&mut self, line: &str, reader: &mut Reader<'_>) -> Result<bool, NoJson> {
        let mut good = true;
        match reader.kind()? {
            Kind::String => self.parts.push(reader.string()?),
            Kind::Array => reader.array(|r| {
                good &= self.block(line, r)?;
                Ok(())
            })?,
            // An empty one is as good as an empty list.
            Kind::Object => reader.object(|r, _| {
                good = false;
                r.skip()
            })?,
            Kind::Other | Kind::Null => {
                good = false;
                reader.skip()?;
            }
        }
        Ok(good)
    }

    fn block(&mut self, line: &str, reader: &mut Reader<'_>) -> Result<bool, NoJson> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(false);
        }
        let [mut kind, mut text, mut thinking, mut name] = [Value::Missing; 4];
        let (mut has_input, mut good_content) = (false, true);
        self.input.clear();
        self.content.clear();
        reader.object(|r, key| {
            let field = match key_of(line, key).as_ref() {
                "type" => &mut kind,
                "text" => &mut text,
                "thinking" => &mut thinking,
                "name" => &mut name,
                "input" => {
                    has_input = true;
                    self.input.clear();
                    return r.strings(&mut self.input);
                }
                "content" => {
                    self.content.clear();
                    good_content = result(line, r, &mut self.content)?;
                    return Ok(());
                }
                _ => return r.skip(),
            };
            *field = Value::read(r)?;
            Ok(())
        })?;
        let needed = if kind.is(line, "text") {
            text
        } else if kind.is(line, "thinking") {
            thinking
        } else if kind.is(line, "tool_use") {
            name
        } else {
            if kind.is(line, "tool_result") {
                self.parts.extend(&self.content);
                return Ok(good_content);
            }
            return Ok(true);
        };
        let Some(first) = needed.string() else { return Ok(false) };
        self.parts.push(first);
        if kind.is(line, "tool_use") {
            self.parts.extend(&self.input);
            return Ok(has_input);
        }
        Ok(true)
    }
}

/// Reads a tool's result: a string, or the `text` blocks of a list.
fn result(line: &str, reader: &mut Reader<'_>, texts: &mut Vec<Text>) -> Result<bool, NoJson> {
    let mut good = true;
    match reader.kind()? {
        Kind::String => texts.push(reader.string()?),
        Kind::Array => reader.array(|r| {
            if r.kind()? != Kind::Object {
                good = false;
                return r.skip();
            }
            let [mut kind, mut text] = [Value::Missing; 2];
            r.object(|r, key| {
                let field = match key_of(line, key).as_ref() {
                    "type" => &mut kind,
                    "text" => &mut text,
                    _ => return r.skip(),
                };
                *field = Value::read(r)?;
                Ok(())
            })?;
            if kind.is(line, "text") {
                good &= text.string().is_some();
                texts.extend(text.string());
            }
            Ok(())
        })?,
        _ => reader.skip()?,
    }
    Ok(good)
}

/// A key, which is hardly ever escaped.
fn key_of(line: &str, key: Text) -> std::borrow::Cow<'_, str> {
    if !key.escaped {
        return key.raw(line).into();
    }
    let mut said = String::new();
    unescape(key.raw(line), &mut said);
    said.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = r#""uuid":"U","sessionId":"S","timestamp":"2025-01-01T00:00:00Z""#;

    fn text(line: &str) -> Option<String> {
        let mut lines = Lines::default();
        lines.read(line.as_bytes())?;
        Some(lines.text(line.as_bytes()).to_owned())
    }

    fn content(content: &str) -> Option<String> {
        text(&format!(r#"{{"message":{{"content":{content}}},{IDS},"type":"user"}}"#))
    }

    #[test]
    fn each_kind_of_line_says_its_text_and_its_ids() {
        assert_eq!(text(r#"{"type":"summary","summary":"a\nb","leafUuid":"L"}"#).unwrap(), "a\nb\nL");
        assert_eq!(text(&format!(r#"{{"type":"system","content":"c",{IDS}}}"#)).unwrap(), "c\nS\nU");
        assert_eq!(content(r#""plain""#).unwrap(), "plain\nS\nU");
        let blocks = r#"[{"type":"text","text":"t"},{"thinking":"h","signature":"no","type":"thinking"},
            {"type":"tool_use","name":"n","input":{"k":"v","d":[{"e":["f",1]}]}},{"type":"tool_result","content":"r"},
            {"type":"tool_result","content":[{"type":"text","text":"x"},{"type":"image"}]},{"type":"new"},{}]"#;
        assert_eq!(content(&blocks.replace('\n', " ")).unwrap(), "t\nh\nn\nv\nf\nr\nx\nS\nU");
    }

    #[test]
    fn odd_but_good() {
        for (given, said) in [
            ("[]", "S\nU"),
            ("{}", "S\nU"),
            (r#"[{"type":"tool_result"}]"#, "S\nU"),
            (r#"[{"type":"tool_result","content":null}]"#, "S\nU"),
            (r#"[{"t\u0079pe":"\u0074ext","text":"a","text":"b"}]"#, "b\nS\nU"),
            (r#"[{"type":7,"text":8}]"#, "S\nU"),
        ] {
            assert_eq!(content(given).as_deref(), Some(said), "{given}");
        }
        let twice = format!(
            r#"{{"message":7,"type":"x","type":"user",{IDS},"message":{{"content":"a","content":"b"}}}}"#
        );
        assert_eq!(text(&twice).unwrap(), "b\nS\nU");
    }

    #[test]
    fn a_line_that_lacks_something_says_nothing() {
        for bad in [
            "null",
            "7",
            "[1]",
            "[null]",
            r#"["a"]"#,
            r#"{"a":1}"#,
            r#"[{"type":"text"}]"#,
            r#"[{"type":"text","text":1}]"#,
            r#"[{"type":"tool_use","name":"n"}]"#,
            r#"[{"type":"tool_use","input":{}}]"#,
            r#"[{"type":"tool_result","content":[7]}]"#,
            r#"[{"type":"tool_result","content":[{"type":"text"}]}]"#,
        ] {
            assert_eq!(content(bad), None, "{bad}");
        }
        for bad in [
            "",
            "null",
            "{}",
            "[]",
            r#"{"type":"user"}"#,
            r#"{"type":"summary","summary":"a"}"#,
            r#"{"type":"summary","summary":"a","leafUuid":null}"#,
            r#"{"type":"system","content":"c","uuid":"U","sessionId":"S"}"#,
            r#"{"type":"system","content":"c","uuid":"U","sessionId":"S","timestamp":"soon"}"#,
            r#"{"type":"summary","summary":"a","leafUuid":"L"} x"#,
            r#"{"type":"user","message":"m","uuid":"U","sessionId":"S","timestamp":"2025-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
        assert!(
            Lines::default().read(b"{\"type\":\"summary\",\"summary\":\"\xff\",\"leafUuid\":\"\"}").is_none()
        );
    }
}
