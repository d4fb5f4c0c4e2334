//! The image that holds this code: where it lies in memory, and what its file says of it.
//!
//! # Safety
//!
//! The loader calls [`look`] with valid records, during `dl_iterate_phdr` alone.
#![expect(unsafe_code, reason = "the loader's records are read by pointer")]

pub(crate) mod symbols;

use std::ffi::{OsStr, c_void};
use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use nix::libc;

/// Where distances begin. It carries no magic, so that a distance of zero is never an entry.
static BASE: u64 = 0;

/// Where the image that holds this code lies in memory.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// How far it lies from where its file says.
    bias: usize,
    code: Vec<Range<usize>>,
    data: Vec<Range<usize>>,
}

impl Image {
    pub(crate) fn own() -> &'static Image {
        static OWN: OnceLock<Image> = OnceLock::new();
        OWN.get_or_init(|| {
            let mut image = Image::default();
            // SAFETY: the callback gets back the pointer to `image`, which outlives the call.
            unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut image).cast::<c_void>()) };
            image
        })
    }

    /// What the image's file calls an address of its code.
    pub(crate) fn address_in_file(&self, address: usize) -> Option<u64> {
        self.is_code(address)
            .then(|| address.wrapping_sub(self.bias) as u64)
    }

    fn base() -> usize {
        (&raw const BASE).expose_provenance()
    }

    /// How far an address lies from the base symbol.
    pub(crate) fn distance(&self, address: usize) -> u64 {
        address.wrapping_sub(Image::base()) as u64
    }

    /// The address at this distance from the base symbol.
    pub(crate) fn address(&self, distance: u64) -> usize {
        // Offsets of a 64-bit program: what does not fit wraps, and then lies in no segment.
        Image::base().wrapping_add(distance as usize)
    }

    /// Whether code of the image lies at an address.
    pub(crate) fn is_code(&self, address: usize) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    /// Whether so many bytes of the image can be read at an address.
    pub(crate) fn is_data(&self, address: usize, length: usize) -> bool {
        let end = address.saturating_add(length);
        self.data
            .iter()
            .any(|range| range.start <= address && end <= range.end)
    }
}

/// Keeps the segments of the module in which [`BASE`] lies.
unsafe extern "C" fn look(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    image: *mut c_void,
) -> libc::c_int {
    // SAFETY: the loader hands in a valid record, and the pointer that `Image::own` gave it.
    let (info, image) = unsafe { (&*info, &mut *image.cast::<Image>()) };
    // SAFETY: as many program headers as the record says, valid during the call.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let (mut code, mut data) = (Vec::new(), Vec::new());
    for header in headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD)
    {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let range = start..start.saturating_add(header.p_memsz as usize);
        if header.p_flags & libc::PF_X != 0 {
            code.push(range.clone());
        }
        // Some linkers put constants beside the code.
        if header.p_flags & libc::PF_R != 0 {
            data.push(range);
        }
    }
    let base = Image::base();
    let ours = data.iter().any(|range| range.contains(&base));
    if ours {
        *image = Image {
            bias: info.dlpi_addr as usize,
            code,
            data,
        };
    }
    libc::c_int::from(ours)
}

/// The file that the image was loaded from, as the system names it.
pub(crate) fn file() -> Option<PathBuf> {
    let maps = fs::read("/proc/self/maps").ok()?;
    let base = Image::base();
    // Each line: the addresses, four more fields, and the path, which may hold anything but a newline.
    let line = maps.split(|byte| *byte == b'\n').find(|line| {
        let addresses = line
            .split(|byte| *byte == b' ')
            .next()
            .and_then(|field| str::from_utf8(field).ok());
        let bounds = addresses
            .and_then(|addresses| addresses.split_once('-'))
            .and_then(|(from, to)| {
                Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
            });
        bounds.is_some_and(|bounds| bounds.contains(&base))
    })?;
    let path = line
        .iter()
        .position(|byte| *byte == b'/')
        .map(|start| &line[start..])?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}
