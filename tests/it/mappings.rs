//! Mistakes in the mappings of this project are told with file and line before a table is read.

use std::fs;
use std::path::Path;

use telecine::transform::{Transform, TransformConfig};

/// One mistake: the mapping, what stands there, what is written in its place, and what is told.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("setting", "title_limit,255", "titel_limit,255", "no query reads a setting `titel_limit`"),
    ("setting", "title_limit,255\n", "", "has no line for `title_limit`"),
    ("setting", "title_limit,255", "title_limit,255 chars", "`title_limit` cannot be `255 chars`"),
    ("setting", "America/Denver", "America/Denvr", "`zone` cannot be `America/Denvr`"),
    ("setting", "legacy_html,false", "legacy_html,no", "`legacy_html` cannot be `no`"),
    ("setting", "garbled_source,7", "garbled_source,x", "`garbled_source` cannot be `x`"),
    ("setting", "values_limit,500", "values_limit,500\nvalues_limit,5", "more than one line sets `values_limit`"),
    ("eav_field", "36,studio", "36,studoi", "eav.sql has no field `studoi`"),
    ("eav_field", "36,studio,term", "36,studio,trem", "unknown kind `trem`"),
    ("eav_field", "36,studio", "37,studio", "property 37 stands in more than one line"),
    ("eav_field", "36,studio", "36,rating", "more than one property feeds `rating`"),
    ("eav_field", "36,studio", "3b,studio", "`3b` is no property's id"),
    ("eav_field", "36,studio,term,false", "36,studio,term,no", "multi is true or false, not `no`"),
    (
        "term_field",
        "promo,network,1,promo.network",
        "promo,network,1,promo.netwrok",
        "nothing gives a cell `promo.netwrok`",
    ),
    ("term_field", "*,studio,1,eav.studio", "*,studio,1,eav.title", "nothing gives a cell `eav.title`"),
    ("term_field", "*,studio,1,eav.studio", "*,studoi,1,eav.studio", "option_field.csv has no field `studoi` of `*`"),
    ("term_field", "*,studio,1,eav.studio", "*,studio,2,eav.studio", "rank `2` is no number, or another line"),
    ("term_field", "*,studio,1,eav.studio", "*,studio,1,eav.genres", "are not both for one value or for several"),
    ("option_field", "promo,network,network,true", "promo,network,netwrok,true", "there is no vocabulary `netwrok`"),
    ("option_field", "promo,network,network,true", "prmo,network,network,true", "there is no query `prmo`"),
    ("option_field", "promo,aspectRatio", "promo,aspectRation", "no query of `promo` names a field `aspectRation`"),
    ("option_field", "promo,status,assetStatus,false", "promo,status,assetStatus,flase", "not `flase` and `false`"),
    ("option_field", "LANGUAGE_UNKNOWN", "LANGUAGE_UNKOWN", "there is no warning `LANGUAGE_UNKOWN`"),
    ("text_field", "tagline,1,promo.tagline", "tagline,1,promo.tagine", "nothing gives a cell `promo.tagine`"),
    ("text_field", "tagline,1", "taglin,1", "described.sql has no field `taglin`"),
    ("text_field", "promo.tagline,line", "promo.tagline,lien", "unknown kind `lien`"),
    ("text_field", "summary", "sumary", "nothing gives a cell `eav.sumary`"),
    ("list_field", "title.cast", "title.casts", "nothing gives a cell `title.casts`"),
    ("list_field", "eav.directors,people", "eav.directors,peple", "unknown kind `peple`"),
    ("list_field", "directors,1,8", "diretcors,1,8", "described_lists.sql has no field `diretcors`"),
    ("list_field", "directors,1,8", "directors,1,9", "line `9` is no number, or stands twice"),
    ("alias", "Movie,Film", "Movie,Flim", "`Flim` is no term of `titleClass`"),
    ("alias", "titleClass,Movie", "titelClass,Movie", "`Film` is no term of `titelClass`"),
    (
        "alias",
        "Movie,Film",
        "Movie,Film\ntitleClass,movie,Short",
        "`movie` of `titleClass` stands in more than one line",
    ),
    (
        "vocabulary",
        "contentType,Promo\n",
        "contentType,Promo\ncontentType,PROMO\n",
        "has the term `PROMO` in more than one",
    ),
    (
        "vocabulary",
        "contentType,Promo\n",
        "contentTpye,Promo\n",
        "no field and no query has a vocabulary `contentTpye`",
    ),
    ("picklist", "projectStatus", "projectStatsu", "there is no vocabulary `projectStatsu`"),
    ("reason", "SMART_COLLECTION", "SMART_COLECTION", "no query gives a reason `SMART_COLECTION`"),
    ("reason", "merged,", "merge,", "unknown disposition `merge`"),
    ("spot_length", "\n60\n", "\n6o\n", "`6o` is no number of seconds"),
];

/// A copy of the project.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// What is told of mappings. No table is known, so that everything else is told of queries.
async fn told(project: &Path) -> Vec<String> {
    let config = TransformConfig {
        project: project.to_owned(),
        memory: 256 << 20,
        threads: 1,
        spill: None,
        now: Some("2025-03-01T00:00:00Z".into()),
    };
    let error = Transform::open(&config).unwrap().check(&[]).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    text.lines().filter(|line| line.contains("mappings") || line.contains(".csv")).skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn each_mistake_is_told_with_its_line_and_none_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("queries"), folder.path());
    assert_eq!(told(folder.path()).await, Vec::<String>::new());
    // One mistake of each mapping at a time.
    let (mut missed, mut left) = (Vec::new(), MISTAKES.to_vec());
    while !left.is_empty() {
        let mut round: Vec<(&str, &str, &str, &str)> = Vec::new();
        left.retain(|mistake| {
            let taken = round.iter().any(|other| other.0 == mistake.0);
            if !taken {
                round.push(*mistake);
            }
            taken
        });
        let path = |mapping: &str| folder.path().join(format!("mappings/{mapping}.csv"));
        let kept: Vec<String> = round.iter().map(|mistake| fs::read_to_string(path(mistake.0)).unwrap()).collect();
        for ((mapping, right, wrong, _), kept) in round.iter().zip(&kept) {
            assert!(kept.contains(right), "{mapping} has no {right}");
            fs::write(path(mapping), kept.replacen(right, wrong, 1)).unwrap();
        }
        let lines = told(folder.path()).await;
        for ((mapping, _, wrong, problem), kept) in round.iter().zip(&kept) {
            if !lines.iter().any(|line| line.contains(problem) && line.contains(&format!("{mapping}.csv"))) {
                missed.push(format!("{mapping}: {wrong:?} is not told as {problem:?}: {lines:#?}"));
            }
            fs::write(path(mapping), kept).unwrap();
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let path = folder.path().join("mappings/spot_length.csv");
    fs::write(&path, "seconds\n5\nx\ny\n").unwrap();
    let lines = told(folder.path()).await;
    let place = |line: usize| format!("{}:{line}: ", path.display());
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].trim().starts_with(&place(3)) && lines[1].trim().starts_with(&place(4)), "{lines:#?}");
}
