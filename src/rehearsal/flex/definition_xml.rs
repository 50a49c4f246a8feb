//! A definition as XML, the form in which recorded clients put it: `<metadata><children>` with one element a field, named
//! after its type; settings are attributes in snake case or elements in kebab case; options are `<option-child>`.
//!
//! Read is the subset that such documents use: elements, attributes, text, comments, the declaration, the five named
//! entities. No document types, no other entities.

use serde_json::{Map, Value, json};

/// How deeply elements may stand in each other.
const DEPTH: usize = 32;
/// Settings of a field that are true or false.
const FLAGS: [&str; 6] = ["searchable", "editable", "required", "expressionEnabled", "commentable", "isVisible"];

/// An element with all that is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

/// The FIELD objects that the document describes.
///
/// # Errors
/// A sentence that says what is not understood.
pub fn fields(text: &str) -> Result<Vec<Value>, String> {
    let mut reader = Reader { rest: text };
    reader.skip_misc()?;
    let root = reader.element(0)?;
    reader.skip_misc()?;
    if root.name != "metadata" || !reader.rest.is_empty() {
        return Err("the body is not one <metadata> element".to_owned());
    }
    root.children.iter().filter(|part| part.name == "children").flat_map(|part| &part.children).map(field).collect()
}

fn field(element: &Element) -> Result<Value, String> {
    let mut field = Map::new();
    field.insert("type".to_owned(), json!(element.name));
    for (name, value) in &element.attributes {
        let name = camel_case(name);
        let value = setting(&name, value);
        field.insert(name, value);
    }
    if !field.get("name").is_some_and(Value::is_string) {
        return Err(format!("<{}> is a field without a name", element.name));
    }
    for part in &element.children {
        if part.name != "children" {
            let name = camel_case(&part.name);
            let value = setting(&name, part.text.trim());
            field.insert(name, value);
            continue;
        }
        let (options, children): (Vec<_>, Vec<_>) =
            part.children.iter().partition(|child| child.name == "option-child");
        if !options.is_empty() {
            field.insert("options".to_owned(), options.into_iter().zip(1..).map(option).collect());
        }
        if !children.is_empty() {
            field.insert("children".to_owned(), children.into_iter().map(self::field).collect::<Result<_, _>>()?);
        }
    }
    Ok(Value::Object(field))
}

fn option((element, id): (&Element, u32)) -> Value {
    let given = |name: &str| element.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let value = given("value").or(given("name"));
    json!({
        "id": id, "name": given("name").or(value), "displayName": given("display_name").or(value),
        "default": given("default") == Some("true"), "value": value,
    })
}

/// The value of a setting: flags are booleans (an empty element is a flag that is set), a length is a number, the rest
/// is text.
fn setting(name: &str, text: &str) -> Value {
    match name {
        name if FLAGS.contains(&name) => json!(text != "false"),
        "maxLength" => text.parse::<i64>().map_or(Value::Null, |length| json!(length)),
        _ => json!(text),
    }
}

/// `display_name` and `form-type` as JSON spells them.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '_' | '-' => upper = true,
            letter if upper => {
                camel.extend(letter.to_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn wrong(&self, wanted: &str) -> String {
        let shown: String = self.rest.chars().take(40).collect();
        format!("The XML cannot be read: {wanted} is expected before \"{shown}\"")
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn until(&mut self, end: &str) -> Result<&'a str, String> {
        let (taken, rest) = self.rest.split_once(end).ok_or_else(|| self.wrong(end))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Space, comments and the declaration.
    fn skip_misc(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start();
            if self.take("<!--") {
                self.until("-->")?;
            } else if self.take("<?") {
                self.until("?>")?;
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let belongs = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':');
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.wrong("a name"));
        }
        self.rest = rest;
        Ok(name)
    }

    fn element(&mut self, depth: usize) -> Result<Element, String> {
        if depth == DEPTH || !self.take("<") {
            return Err(self.wrong("an element, not nested too deeply,"));
        }
        let mut element = Element { name: self.name()?.to_owned(), ..Element::default() };
        loop {
            self.rest = self.rest.trim_start();
            if self.take("/>") {
                return Ok(element);
            }
            if self.take(">") {
                break;
            }
            let name = self.name()?.to_owned();
            self.rest = self.rest.trim_start();
            if !self.take("=") {
                return Err(self.wrong("="));
            }
            self.rest = self.rest.trim_start();
            let quote = if self.take("\"") {
                "\""
            } else if self.take("'") {
                "'"
            } else {
                return Err(self.wrong("a quotation mark"));
            };
            element.attributes.push((name, unescape(self.until(quote)?)?));
        }
        self.content(&mut element, depth)?;
        Ok(element)
    }

    fn content(&mut self, element: &mut Element, depth: usize) -> Result<(), String> {
        loop {
            let end = self.rest.find('<').ok_or_else(|| self.wrong("a closing tag"))?;
            let (text, rest) = self.rest.split_at(end);
            element.text.push_str(&unescape(text)?);
            self.rest = rest;
            if self.take("</") {
                let name = self.until(">")?;
                let same = name.trim_end() == element.name;
                return if same { Ok(()) } else { Err(self.wrong(&format!("</{}>", element.name))) };
            }
            if self.rest.starts_with("<!--") {
                self.skip_misc()?;
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let known = [("lt;", '<'), ("gt;", '>'), ("amp;", '&'), ("quot;", '"'), ("apos;", '\'')];
        let found = known.iter().find_map(|(name, letter)| Some((after.strip_prefix(name)?, letter)));
        let (left, letter) = found.ok_or_else(|| format!("The XML cannot be read: unknown entity in \"{text}\""))?;
        plain.push(*letter);
        rest = left;
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::fields;

    #[test]
    fn elements_become_fields_with_their_settings_options_and_children() {
        let text = r#"<?xml version="1.0"?><!-- made by hand --><metadata name="m"><children>
            <single-option name="p" display_name="P &amp; Q" multiplicity="0..1"><searchable/><required>false</required>
              <form-type>select</form-type><children><option-child name="A" value="a" default="true" display_name="An A"/>
              <option-child value='b'/></children></single-option>
            <complex name="c"><children><string name="s" max-length="9"/></children></complex></children></metadata>"#;
        let read = fields(text).unwrap();
        assert_eq!(
            read,
            [
                json!({"type": "single-option", "name": "p", "displayName": "P & Q", "multiplicity": "0..1", "searchable": true,
                    "required": false, "formType": "select", "options": [
                        {"id": 1, "name": "A", "displayName": "An A", "default": true, "value": "a"},
                        {"id": 2, "name": "b", "displayName": "b", "default": false, "value": "b"}]}),
                json!({"type": "complex", "name": "c", "children": [{"type": "string", "name": "s", "maxLength": 9}]}),
            ]
        );
    }

    #[test]
    fn what_is_no_definition_is_told() {
        for (text, part) in [
            ("", "an element"),
            ("<metadata>", "closing tag"),
            ("<metadata></meta>", "</metadata>"),
            ("<asset/>", "<metadata>"),
            ("<metadata name=x/>", "quotation"),
            ("<metadata name='&x;'/>", "entity"),
            ("<metadata><children><string/></children></metadata>", "without a name"),
            (&"<a>".repeat(99), "nested"),
        ] {
            let problem = fields(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail_other_than_by_an_error(text in "[a-c<>/=\"'&;!? -]{0,60}") {
            let _ = fields(&text);
        }
    }
}
