//! Uploads in parts that deliveries began and did not end, for their processes were killed. They are known by the notes of
//! each delivery (`bucket::Noted`): place, key and the id that the server gave. Another's upload has another id.

use super::Delivery;
use super::bucket::{Bucket, Noted, Reach};
use crate::error::{Error, Result};
use crate::staging::{Orphan, OrphanKind, Orphans, RunFolder, S3Settings, StagingArea};

/// Adds to `found` the open uploads of all deliveries that nobody is at, and ends them if they are to be swept. A delivery
/// is held by a lease of our own meanwhile.
///
/// # Errors
/// When the staging area cannot be read, or a bucket is away or refuses.
pub async fn orphans(area: &StagingArea, s3: &S3Settings, sweep: bool, found: &mut Orphans) -> Result<()> {
    for id in
        area.deliveries().await?.into_iter().filter(|id| !found.busy_deliveries.contains_key(id)).collect::<Vec<_>>()
    {
        let folder = area.delivery(&id);
        let lease = if sweep { Some(folder.lease("sweep").await?) } else { None };
        let looked = orphans_of(&folder, s3, sweep, found).await;
        if let Some(lease) = lease {
            lease.release().await;
        }
        looked?;
    }
    found.orphans.sort_by(|a, b| a.url.cmp(&b.url));
    Ok(())
}

async fn orphans_of(folder: &RunFolder, s3: &S3Settings, sweep: bool, found: &mut Orphans) -> Result<()> {
    let reach = Reach::new(s3.clone(), folder.clone());
    for noted in Noted::all(folder).await? {
        let place = Bucket::open(&noted.place, &reach)?;
        let failed = |fault: super::bucket::Fault| {
            fault.reason(&noted.place).map_or_else(
                |error| error,
                |reason| {
                    let message = format!("the open upload of {:?}: {reason}", noted.key);
                    Error::Bucket { url: noted.place.clone(), message, cause: None }
                },
            )
        };
        if place.is_open(&noted.key, &noted.upload).await.map_err(failed)? {
            let (delivery, url) = (Some(folder.id().to_owned()), format!("{}/{}", noted.place, noted.key));
            let kind = OrphanKind::Upload;
            found.orphans.push(Orphan { kind, run: None, delivery, url, bytes: None, since: noted.begun.clone() });
            if sweep {
                place.end_upload(&noted.key, &noted.upload).await.map_err(failed)?;
            }
        }
        if sweep {
            noted.forget(folder).await;
        }
    }
    Ok(())
}

impl Delivery {
    /// Ends what an earlier process of this delivery left open in its buckets. To be called by the one that holds its lease.
    /// What cannot be ended stays noted.
    ///
    /// # Errors
    /// When the notes cannot be read.
    pub async fn end_uploads(&self) -> Result<()> {
        for noted in Noted::all(&self.folder).await? {
            let place = Bucket::open(&noted.place, &self.reach)?;
            match place.end_upload(&noted.key, &noted.upload).await {
                Ok(()) => noted.forget(&self.folder).await,
                Err(fault) => tracing::warn!(
                    ?fault,
                    place = noted.place,
                    key = noted.key,
                    "an upload that an earlier attempt began could not be ended; `telecine staging orphans --sweep` does"
                ),
            }
        }
        Ok(())
    }
}
