"""What a pack says to a person who has nothing but the pack."""

from __future__ import annotations

from haulwatch.domain.evidence import Scene
from haulwatch.domain.orders import Order

_ZH = """渣土车预警工单 证据包

工单 {order_id}（第 {version} 版）　{title}

一、怎样核对（不需要本系统）
  1. 装有 Python 3.8 或更新版本的电脑：python3 verify.py 本文件包.zip
     解压之后在文件夹内直接运行：python3 verify.py
     显示“证据包完整”即每个文件与导出时一致；否则逐一指出被改动、缺少或多出的文件。
  2. 另有登记的摘要（导出时显示，并记入审计）时：python3 verify.py 本文件包.zip --sha256 摘要
     这样连同整包重做也能发现。整包的摘要也可用系统自带的命令核对：
     Windows：certutil -hashfile 文件 SHA256　　Linux：sha256sum 文件　　macOS：shasum -a 256 文件
  3. 没有 Python 时：manifest.json 列有每个文件的 SHA-256，可用上述命令逐个核对。

二、内容
  order.pdf / order.en.pdf   工单（中文、英文），供阅读和归档
  order.json                 工单全部内容      findings/   每条线索原文（摘要记入审计链）
  events/                    所依据的记录，收到时的内容
  track.geojson, track.gpx   行车轨迹（WGS-84） map.png     示意图
  zones.geojson, rule.yaml   当时生效的区域与规则；city/ 规则与法规文件全文
  pictures/, photos/         收到的图片原件、队员照片原件，文件名即其 SHA-256；photos.json 拍摄与接收信息
  audit.json                 本工单的审计记录与导出时的链首   notices.json 通知记录
  manifest.json              清单；manifest.json.sha256 清单的摘要；verify.py 校验程序
  {city}
  未能收入的图片列在 manifest.json 的 absent 中。设备的原始报文本系统不保存，故不在包内；events/ 为解码后的记录。

三、说明
  本包所载为线索与过程记录，是否构成违法由执法人员审核决定（行政处罚法第四十一条）。
"""
_EN = """Work order of construction-waste supervision: evidence pack

Order {order_id} (version {version})  {title}

1. How to check it (this system is not needed)
  a. With Python 3.8 or later:  python3 verify.py THIS-PACK.zip
     or, in the folder where it was unpacked:  python3 verify.py
     "the pack is whole" means that every file is as it was exported; else each file that was changed, is missing or
     was added is named.
  b. With the digest that was noted at export (it was shown, and stands in the audit):
     python3 verify.py THIS-PACK.zip --sha256 DIGEST
     That also finds a pack that was made anew from end to end. The digest of the whole file can be had without Python:
     Windows: certutil -hashfile FILE SHA256    Linux: sha256sum FILE    macOS: shasum -a 256 FILE
  c. Without Python: manifest.json has the SHA-256 of every file, to be compared with those commands.

2. What is in it
  order.pdf / order.en.pdf   the order as a paper, in Chinese and English
  order.json                 all of the order     findings/   each finding as stored (its digest is in the audit)
  events/                    the records it rests on, as they were received
  track.geojson, track.gpx   the truck's track (WGS-84)    map.png  a sketch
  zones.geojson, rule.yaml   zones and rule as they were; city/ the whole files of rule and law
  pictures/, photos/         pictures as received, photos of the squad; the name is the SHA-256; photos.json tells more
  audit.json                 the order's audit entries, and the chain's head at export    notices.json  who was told
  manifest.json              the list; manifest.json.sha256 its digest; verify.py the program that checks
  {city}
  Pictures that could not be included are listed in manifest.json under "absent". Raw frames of devices are not kept by
  this system and so not in the pack; events/ has the decoded records.

3. Note
  This is a lead and the record of how it was handled; whether it is a violation is for an officer to decide.
"""


def readme(order: Order, scene: Scene) -> str:
    """README.txt of the order's pack; lines end as Windows wants them, a byte order mark says that it is UTF-8."""
    zh = en = ""
    if scene.rule is None:
        zh = "当时的区域与规则未被保存或未提供，故本包没有 zones.geojson、rule.yaml 与 city/。"
        en = "Zones and rule as they were had not been kept or given, so zones.geojson, rule.yaml, city/ are not here."
    facts = {"order_id": order.order_id, "version": order.version}
    text = _ZH.format(**facts, title=order.title.zh, city=zh) + "\n" + "-" * 100 + "\n\n"
    text += _EN.format(**facts, title=order.title.en, city=en)
    return "\ufeff" + text.replace("\n", "\r\n")
