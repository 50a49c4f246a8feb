//! Edits of the mapping that would settle a conflict, as SQL for people to take up or not. A column of values of several types
//! holds their JSON, from which `json_text` takes a part; where a column is declared, values of other types are in `_rescued`.

use crate::source::json::{self, Step};

use super::forms::Forms;

/// What a value is to become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// One value of an SQL type; as it is where empty.
    One(&'a str),
    /// A list of them.
    List(&'a str),
    /// An object whose first field is this one.
    Object(&'a str),
}

/// A field of a document as SQL reaches it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    expression: String,
    /// The list whose items it belongs to, to be opened first.
    of_items: Option<String>,
    name: String,
    /// Its path in what stands beside declared columns.
    rescued: Option<String>,
}

/// What stands beside declared columns.
const RESCUED: &str = json::RESCUED;

impl Column {
    /// The column at the end of this way from the document.
    pub(super) fn at(way: &[Step<'_>]) -> Self {
        let mut column = Self { expression: String::new(), of_items: None, name: "document".to_owned(), rescued: None };
        for step in way {
            match step {
                Step::Root => {}
                Step::Field(name) if column.expression.is_empty() => column.expression = identifier(name),
                Step::Field(name) => column.expression.push_str(&format!("[{}]", literal(name))),
                Step::Items => {
                    column.of_items = Some(std::mem::replace(&mut column.expression, "item".to_owned()));
                }
            }
            if let Step::Field(name) = step {
                column.name = (*name).to_owned();
            }
        }
        if column.expression.is_empty() {
            column.expression = "_document".to_owned();
        }
        column
    }

    /// The same of a field that is declared.
    pub(super) fn declared(self, way: &[Step<'_>]) -> Self {
        let names = way.iter().filter_map(|step| if let Step::Field(name) = step { Some(*name) } else { None });
        let path = names.collect::<Vec<_>>().join(".");
        Self { rescued: self.of_items.is_none().then_some(path), ..self }
    }

    /// This value under its own name.
    fn named(&self, value: &str) -> String {
        let value = format!("{value} as {}", identifier(&self.name));
        match &self.of_items {
            Some(list) => format!("{value} /* of unnest({list}) as item */"),
            None => value,
        }
    }

    /// The value as it is, under another name.
    pub(super) fn as_field(&self, field: &str) -> String {
        Self { name: field.to_owned(), ..self.clone() }.named(&self.expression)
    }

    /// The value in the place of another field beside it, where that has none.
    pub(super) fn filling(&self, field: &str) -> String {
        let at = self.expression.rfind('[').map(|at| &self.expression[..at]);
        let other = at.map_or_else(|| identifier(field), |object| format!("{object}[{}]", literal(field)));
        Self { name: field.to_owned(), ..self.clone() }.named(&format!("coalesce({other}, {})", self.expression))
    }

    /// With something in the place of what is missing.
    pub(super) fn filled(&self, sql: &str) -> String {
        self.named(&format!("coalesce({}, {})", self.expression, nothing(sql)))
    }

    /// Nothing but what stands for it.
    pub(super) fn made_up(&self, sql: &str) -> String {
        self.named(nothing(sql))
    }

    /// Values of these forms brought to what is wanted; `child` is a field of the objects among them.
    pub(super) fn brought_to(&self, wanted: Wanted<'_>, forms: &Forms, child: Option<&str>) -> String {
        let (one, is_text) = self.one(forms, child);
        let cast = |sql: &str| match sql {
            "" => one.clone(),
            "varchar" if is_text => one.clone(),
            "varchar" => format!("cast({one} as varchar)"),
            sql => format!("try_cast({one} as {sql})"),
        };
        let value = match wanted {
            Wanted::One(sql) => cast(sql),
            Wanted::List(sql) => format!("make_array({})", cast(sql)),
            Wanted::Object(field) => format!("named_struct({}, {one})", literal(field)),
        };
        self.named(&match self.rescued {
            Some(_) if !forms.is_empty() => {
                let rest = value.strip_prefix("coalesce(").map_or_else(|| format!("{value})"), str::to_owned);
                format!("coalesce({}, {rest}", self.expression)
            }
            _ => value,
        })
    }

    /// A text changed for another.
    pub(super) fn replaced(&self, text: &str) -> String {
        let own = &self.expression;
        self.named(&format!("case {own} when {} then '?' else {own} end", literal(text)))
    }

    /// A text cut.
    pub(super) fn cut(&self, longest: usize) -> String {
        self.named(&format!("left({}, {longest})", self.expression))
    }

    /// The one value in each, and whether it is a text.
    fn one(&self, forms: &Forms, child: Option<&str>) -> (String, bool) {
        let own = &self.expression;
        let parts = |json: &str, begin: &str| {
            let part = |path: &str| {
                let path = [begin, path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
                format!("json_text({json}, {})['value']", literal(&path))
            };
            let object = child.filter(|_| forms.has_objects()).map(part);
            let array = forms.has_arrays().then(|| part("0"));
            let parts: Vec<String> = object.into_iter().chain(array).chain([part("")]).collect();
            match parts.as_slice() {
                [one] => one.clone(),
                several => format!("coalesce({})", several.join(", ")),
            }
        };
        if let Some(path) = self.rescued.as_ref().filter(|_| !forms.is_empty()) {
            return (parts(RESCUED, path), true);
        }
        if forms.are_mixed() {
            return (parts(own, ""), true);
        }
        match child.filter(|_| forms.has_objects()) {
            Some(child) => (format!("{own}[{}]", literal(child)), false),
            None if forms.has_arrays() => (format!("{own}[1]"), false),
            None => (own.clone(), forms.are_texts()),
        }
    }
}

/// A column for declarations of documents.
pub(super) fn declaration(name: &str, sql: &str) -> String {
    format!("{} {sql}", identifier(name))
}

/// A rule of the purge that leaves an object out.
pub(super) fn purge(key: &str, reason: &str) -> String {
    format!("select key, {} as reason from inventory where key = {}", literal(reason), literal(key))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn nothing(sql: &str) -> &'static str {
    match sql {
        "int" | "bigint" | "double" => "0",
        "boolean" => "false",
        "varchar" => "'?'",
        _ => "null",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::source::json::Form;

    #[test]
    fn values_are_brought_to_what_is_wanted() {
        let title = Column::at(&[Step::Root, Step::Field("title")]);
        let part = Column::at(&[Step::Root, Step::Field("a"), Step::Items, Step::Field("it's")]);
        let forms = |forms: &[(Form, u64)]| Forms::of(&BTreeMap::from_iter(forms.iter().copied()));
        let (text, number, list) =
            (forms(&[(Form::String, 9)]), forms(&[(Form::Integer, 9)]), forms(&[(Form::Array, 9)]));
        let several = forms(&[(Form::String, 9), (Form::Object, 1)]);
        for (wanted, given, child, expected) in [
            (Wanted::One("bigint"), &text, None, "try_cast(\"title\" as bigint) as \"title\""),
            (Wanted::One("varchar"), &number, None, "cast(\"title\" as varchar) as \"title\""),
            (Wanted::One("varchar"), &list, None, "cast(\"title\"[1] as varchar) as \"title\""),
            (Wanted::List("varchar"), &text, None, "make_array(\"title\") as \"title\""),
            (Wanted::Object("en"), &text, None, "named_struct('en', \"title\") as \"title\""),
            (
                Wanted::One("varchar"),
                &several,
                Some("en"),
                "coalesce(json_text(\"title\", 'en')['value'], json_text(\"title\", '')['value']) as \"title\"",
            ),
        ] {
            assert_eq!(title.brought_to(wanted, given, child), expected);
        }
        let declared = title.clone().declared(&[Step::Root, Step::Field("title")]);
        assert_eq!(
            declared.brought_to(Wanted::One("bigint"), &several, Some("en")),
            "coalesce(\"title\", try_cast(coalesce(json_text(_rescued, 'title.en')['value'], \
             json_text(_rescued, 'title')['value']) as bigint)) as \"title\""
        );
        assert_eq!(part.cut(3), "left(item['it''s'], 3) as \"it's\" /* of unnest(\"a\") as item */");
        assert_eq!(title.filled("varchar"), "coalesce(\"title\", '?') as \"title\"");
        assert_eq!(
            part.filling("its"),
            "coalesce(item['its'], item['it''s']) as \"its\" /* of unnest(\"a\") as item */"
        );
        assert_eq!(title.filling("titel"), "coalesce(\"titel\", \"title\") as \"titel\"");
        assert_eq!(title.as_field("name"), "\"title\" as \"name\"");
    }
}
