"""What belongs to the labs, a folder for each: `from pruninglab.labs.structures import check`.

The build makes these folders: the probes, what checks compare with, what the lab asks for, and the
exercises of earlier labs, solved. What students get holds the folders of their labs only.
"""
