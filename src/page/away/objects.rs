//! The page's objects in the bucket: read, compared, and written where they differ.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetOptions, ObjectStore as _, PutOptions, PutPayload};
use sha2::{Digest as _, Sha256};

use super::super::PageObject;
use super::Error;
use crate::aws;
use crate::aws::Session;
use crate::aws::s3::{Bucket, Location};

/// So many objects are asked for, or written, at once.
const AT_ONCE: usize = 8;

/// A folder in a bucket.
#[derive(Debug)]
pub struct Place {
    pub(super) bucket: Bucket,
    /// The bucket's name.
    pub name: String,
    /// The folder in it, without slashes at its ends; empty for none.
    pub prefix: String,
}

/// What became of the objects, in the page's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Those that were written, by name.
    pub written: Vec<String>,
    /// Those that were there already, as they should be.
    pub unchanged: Vec<String>,
    /// Changes whenever any of them was written, by whomever; the same after a run that found nothing to do.
    pub stamp: String,
}

/// What the bucket says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    same: bool,
    /// When it was written, and what its tag is.
    stamp: String,
}

impl Place {
    /// The place; makes the client, no network.
    pub fn open(session: &Session, name: &str, prefix: &str) -> Result<Place, Error> {
        let bucket = Bucket::open(session, name, &Location::default());
        let bucket = bucket.map_err(|source| Error::Aws {
            doing: format!("s3://{name} cannot be spoken to"),
            needs: String::new(),
            source,
        })?;
        Ok(Place { bucket, name: name.to_owned(), prefix: prefix.to_owned() })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.name, self.prefix)
    }

    /// The key of a name.
    fn key(&self, name: &str) -> Result<Path, Error> {
        let key = if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        };
        Path::parse(&key).map_err(|cause| Error::Aws {
            doing: format!("{key} is no key"),
            needs: String::new(),
            source: aws::Error::Request { reason: cause.to_string() },
        })
    }

    /// Writes what differs in content or in a header that visitors get; `tell` hears how many of how many are done.
    ///
    /// What visitors come to first is written last: it never leads to what is not there yet. Dropped in the middle, some
    /// are written; run again, it writes the others.
    pub async fn put(
        &self,
        objects: &[PageObject],
        tell: &dyn Fn(&str, usize, usize),
    ) -> Result<Stored, Error> {
        let mut done = 0;
        let mut counted = |what: &str| {
            done += 1;
            tell(what, done, objects.len());
        };
        let seen: Vec<Option<Seen>> = stream::iter(objects.iter().map(|object| self.seen(object)))
            .buffered(AT_ONCE)
            .inspect_ok(|_| counted("compared"))
            .try_collect()
            .await?;
        let differs = |seen: &Option<Seen>| !seen.as_ref().is_some_and(|seen| seen.same);
        let changed: Vec<_> = objects.iter().zip(&seen).filter(|(_, seen)| differs(seen)).collect();
        let (first, others): (Vec<_>, Vec<_>) =
            changed.iter().map(|(object, _)| *object).partition(|object| is_first(object));
        let mut done = 0;
        for group in [others, first] {
            let mut writing = stream::iter(group.into_iter().map(|object| self.write(object)))
                .buffer_unordered(AT_ONCE);
            while let Some(written) = writing.next().await {
                written?;
                done += 1;
                tell("written", done, changed.len());
            }
        }
        let stamp = self.stamp(objects, &seen).await?;
        let names = |wanted: bool| {
            let told = objects.iter().zip(&seen).filter(|(_, seen)| differs(seen) == wanted);
            told.map(|(object, _)| object.name.clone()).collect()
        };
        Ok(Stored { written: names(true), unchanged: names(false), stamp })
    }

    /// Of all objects as they are now: those that were written are asked once more.
    async fn stamp(&self, objects: &[PageObject], seen: &[Option<Seen>]) -> Result<String, Error> {
        let stamps: Vec<String> =
            stream::iter(objects.iter().zip(seen).map(|(object, seen)| async move {
                match seen {
                    Some(seen) if seen.same => Ok(seen.stamp.clone()),
                    _ => Ok(self.seen(object).await?.map(|seen| seen.stamp).unwrap_or_default()),
                }
            }))
            .buffered(AT_ONCE)
            .try_collect::<Vec<String>>()
            .await?;
        let sum = Sha256::digest(stamps.join("\n"));
        let digit = |four: u8| char::from_digit(u32::from(four), 16);
        Ok(sum
            .iter()
            .take(16)
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .flatten()
            .collect())
    }

    /// The object of that name, or `None` where there is none.
    async fn seen(&self, object: &PageObject) -> Result<Option<Seen>, Error> {
        let key = self.key(&object.name)?;
        let cannot = |cause: &object_store::Error| {
            let source = self.bucket.sorted(cause);
            Error::Aws {
                doing: format!("s3://{}/{key} cannot be read", self.name),
                needs: format!(
                    "s3:GetObject on arn:aws:s3:::{0}/*, and s3:ListBucket on arn:aws:s3:::{0} (without it S3 says 403 of what is not there)",
                    self.name
                ),
                source,
            }
        };
        let there = match self.bucket.objects().get_opts(&key, GetOptions::default()).await {
            Ok(there) => there,
            Err(cause) => {
                let missing = matches!(cause, object_store::Error::NotFound { .. });
                let error = cannot(&cause);
                // That the bucket itself is not there is said in the same way.
                let of_bucket = matches!(&error, Error::Aws { source: aws::Error::Service { code, .. }, .. } if code == "NoSuchBucket");
                return if missing && !of_bucket { Ok(None) } else { Err(error) };
            }
        };
        let at = there.meta.last_modified;
        let stamp = format!("{key} {at} {}", there.meta.e_tag.as_deref().unwrap_or_default());
        let alike = there.attributes == attributes(object)
            && there.meta.size == object.content.len() as u64;
        // An object of another size is another one, whatever is in it: not worth reading.
        let same = alike
            && there.bytes().await.map_err(|cause| cannot(&cause))? == object.content.as_slice();
        Ok(Some(Seen { same, stamp }))
    }

    async fn write(&self, object: &PageObject) -> Result<(), Error> {
        let key = self.key(&object.name)?;
        let payload = PutPayload::from_bytes(Bytes::from(object.content.clone()));
        let options = PutOptions { attributes: attributes(object), ..PutOptions::default() };
        let written = self.bucket.objects().put_opts(&key, payload, options).await;
        written.map(drop).map_err(|cause| Error::Aws {
            doing: format!("s3://{}/{key} cannot be written", self.name),
            needs: format!("s3:PutObject on arn:aws:s3:::{}/*", self.name),
            source: self.bucket.sorted(&cause),
        })
    }
}

/// What visitors come to first, and what says that the page is whole.
fn is_first(object: &PageObject) -> bool {
    object.name.starts_with("index.html")
}

fn attributes(object: &PageObject) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, object.content_type.into());
    attributes.insert(Attribute::CacheControl, object.cache_control.into());
    if let Some(coding) = object.content_encoding {
        attributes.insert(Attribute::ContentEncoding, coding.into());
    }
    attributes
}
