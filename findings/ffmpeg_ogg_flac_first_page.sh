#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FFmpeg 7.0.2 and 8.1.2: FLAC in Ogg that begins late is stamped 0 for its first page, then jumps.
#
# Behaviour: sound that begins 2 s after the picture is written rightly (the first page of sound ends at sample 48,128 and
# holds 14 frames of 1,152, so that it begins at 32,000, which is 2 s). Read back, its first 14 frames are stamped from 0,
# the next from 48,128. Without care for the stamps the sound is 2 s early; with care for them (aresample=async=1) two
# seconds of silence are cut into the middle of the first words.
# Why nobody would guess it: Opus and Vorbis in the same container, written by the same program, come back with the right
# first stamp, FLAC in Matroska too; and the hole that appears is in no file: the packets are contiguous.
# What it means for a reader: a single jump after the first page of FLAC in Ogg says where the sound begins; it is no
# hole. What is heard before it must be moved, not what comes after it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install imageio-ffmpeg==0.6.0 av==18.1.0
ffmpeg() { "$(venv/bin/python -c 'import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())')" -hide_banner -nostdin "$@"; }

for kind in "flac flac.ogg" "libopus opus.ogg" "flac flac.mkv"; do
  read -r codec name <<<"$kind"
  ffmpeg -v error -f lavfi -i testsrc=size=64x48:rate=25:duration=8 \
    -itsoffset 2 -f lavfi -i sine=frequency=440:sample_rate=16000:duration=6 -map 0:v -map 1:a \
    -c:v "$([[ $name == *.ogg ]] && echo libtheora || echo mpeg4)" -c:a "$codec" "$name"
done

echo "ffmpeg $(ffmpeg -version | sed -n '1s/.*version \([^ ]*\).*/\1/p'): stamps of flac.ogg that do not follow their neighbour"
ffmpeg -v error -i flac.ogg -map 0:a -c copy -copyts -f framecrc stamps
grep -v '#' stamps | awk -F, 'NR == 1 || $3 != end { print "packet " NR - 1 ": " $3 + 0 } { end = $3 + $4 }' | tee seen
ffmpeg -i flac.ogg -map 0:a -af aresample=async=1,silencedetect=n=-50dB:d=0.5 -f null - 2>&1 |
  grep -o 'silence_\(start\|end\): [0-9.]*' | tee -a seen
venv/bin/python - <<'PY' | tee -a seen
import struct

import av

print(f"FFmpeg {av.ffmpeg_version_info}: where the sound's packets begin, in seconds")
for name in ("opus.ogg", "flac.mkv", "flac.ogg"):
    with av.open(name) as film:
        sound = film.streams.audio[0]
        print(f"{name}:", *[round(float(p.pts * p.time_base), 2) for p in film.demux(sound) if p.size][:18])
# What the file says itself: of every page the stream, the sample at which it ends, and the number of packets that end in it.
data, at, flac = open("flac.ogg", "rb").read(), 0, None
while at < len(data):
    end, stream = struct.unpack_from("<qI", data, at + 6)
    lacing = data[at + 27:at + 27 + data[at + 26]]
    body = at + 27 + len(lacing)
    if data[body:body + 5] == b"\x7fFLAC":
        flac = stream
    if stream == flac and end > 0:
        packets = sum(size < 255 for size in lacing)
        print(f"first page of sound: ends at sample {end}, {packets} packets of 1152, so it begins at {end - packets * 1152}")
        break
    at = body + sum(lacing)
PY
grep -q '^packet 0: 0$' seen && grep -q '^packet 14: 48128$' seen && grep -q 'begins at 32000$' seen &&
  grep -q '^flac.ogg: 0.0 ' seen && grep -q '^flac.mkv: 2.0 ' seen ||
  { echo "changed: the first page of FLAC in Ogg no longer begins at 0"; exit 1; }

# Output seen:
#   ffmpeg 7.0.2-static: stamps of flac.ogg that do not follow their neighbour
#   packet 0: 0
#   packet 14: 48128
#   silence_start: 1.008
#   silence_end: 3.008
#   FFmpeg 8.1.2: where the sound's packets begin, in seconds
#   opus.ogg: 1.99 2.01 2.03 2.05 2.07 2.09 2.11 2.13 2.15 2.17 2.19 2.21 2.23 2.25 2.27 2.29 2.31 2.33
#   flac.mkv: 2.0 2.07 2.14 2.22 2.29 2.36 2.43 2.5 2.58 2.65 2.72 2.79 2.86 2.94 3.01 3.08 3.15 3.22
#   flac.ogg: 0.0 0.07 0.14 0.22 0.29 0.36 0.43 0.5 0.58 0.65 0.72 0.79 0.86 0.94 3.01 3.08 3.15 3.22
#   first page of sound: ends at sample 48128, 14 packets of 1152, so it begins at 32000
