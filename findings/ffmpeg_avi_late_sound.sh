#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FFmpeg 7.0.2 and 8.1.2: sound that begins after the picture loses its delay in AVI, between FFmpeg's writer and reader.
#
# Behaviour: MP3 that begins 2 s after the picture is written as one frame, then 82 empty chunks for the missing two
# seconds, then the rest. FFmpeg's reader skips the empty chunks and gives them no time, so that the sound plays from 0.
# The stream's stated duration still counts them: 8 s for 6 s of sound. Nothing is said by either side.
# Why nobody would guess it: both sides are the same library, the writer took the trouble to record the delay, and the
# same film in Matroska comes back right.
# What it means for a reader: an AVI file's empty chunks tell nothing that players honour, and its stated length is no
# proof of a cut-off file. For a writer: to keep a delay in AVI, write silence.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install imageio-ffmpeg==0.6.0 av==18.1.0
ffmpeg() { "$(venv/bin/python -c 'import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())')" -hide_banner -nostdin "$@"; }

for name in film.avi film.mkv; do
  ffmpeg -v warning -f lavfi -i testsrc=size=64x48:rate=25:duration=8 \
    -itsoffset 2 -f lavfi -i sine=frequency=440:sample_rate=48000:duration=6 -map 0:v -map 1:a -c:v mpeg4 \
    -c:a libmp3lame "$name"
done

echo "ffmpeg $(ffmpeg -version | sed -n '1s/.*version \([^ ]*\).*/\1/p'): the first decoded sound stands at"
for name in film.avi film.mkv; do
  echo "$name: $(ffmpeg -copyts -i "$name" -map 0:a -af ashowinfo -f null - 2>&1 | grep -o -m1 'pts_time:[^ ]*')"
done | tee seen
venv/bin/python - <<'PY' | tee -a seen
import struct

import av

print(f"FFmpeg {av.ffmpeg_version_info}:")
for name in ("film.avi", "film.mkv"):
    with av.open(name) as film:
        sound = film.streams.audio[0]
        stated = float(sound.duration * sound.time_base) if sound.duration else film.duration / 1e6
        packets = [p for p in film.demux(sound) if p.size]
        first, last = (float(p.pts * p.time_base) for p in (packets[0], packets[-1]))
        print(f"{name}: {len(packets)} packets from {first:.2f} to {last:.2f} s, stated length {stated:.2f} s")
data = open("film.avi", "rb").read()
at, sizes = data.index(b"movi") + 4, []
while data[at:at + 4] in (b"00dc", b"01wb"):
    size = struct.unpack_from("<I", data, at + 4)[0]
    if data[at:at + 4] == b"01wb":
        sizes.append(size)
    at += 8 + size + size % 2
print(f"in film.avi itself: {len(sizes)} chunks of sound, of which {sizes.count(0)} are empty; the first are {sizes[:4]}")
PY
grep -q '^film.avi: pts_time:0$' seen && grep -q '82 are empty' seen && grep -q '^film.avi: .* from 0.00 to 6.00 s, stated length 7.99' seen &&
  grep -q '^film.mkv: .* from 1.9[0-9] ' seen ||
  { echo "changed: late sound in AVI keeps its delay, or is written in another way"; exit 1; }

# Output seen:
#   ffmpeg 7.0.2-static: the first decoded sound stands at
#   film.avi: pts_time:0
#   film.mkv: pts_time:1.977
#   FFmpeg 8.1.2:
#   film.avi: 251 packets from 0.00 to 6.00 s, stated length 7.99 s
#   film.mkv: 251 packets from 1.98 to 7.98 s, stated length 8.02 s
#   in film.avi itself: 333 chunks of sound, of which 82 are empty; the first are [192, 0, 0, 0]
